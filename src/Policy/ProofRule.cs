namespace Backup.Policy;

/// <summary>How restores of a database are proven.</summary>
public sealed record ProofRule
{
    /// <summary>What holds for assets that say nothing.</summary>
    public static readonly ProofRule Standard = new();

    /// <summary>How much of each table is read at backup time to record its rows, in MiB; 0 records nothing.</summary>
    public int RecordMebibytes { get; init; } = 16;

    /// <summary>How long a proof may take; what is not checked by then counts as not proven.</summary>
    public TimeSpan TimeLimit { get; init; } = TimeSpan.FromHours(2);

    /// <summary>Questions to the restored databases.</summary>
    public IReadOnlyList<ProofQuestion> Checks { get; init; } = [];
}

/// <summary>A question to a restored database, by somebody who knows its content.</summary>
/// <param name="Name">Unique within the asset.</param>
/// <param name="Database">The database that is asked.</param>
/// <param name="Sql">One statement that reads.</param>
/// <param name="Expect">The first value of its first row as text; null: anything but no row, null, false and the empty text.</param>
/// <param name="TimeLimit">How long it may take.</param>
public sealed record ProofQuestion(string Name, string Database, string Sql, string? Expect, TimeSpan TimeLimit);
