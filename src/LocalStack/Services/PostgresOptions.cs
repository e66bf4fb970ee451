namespace Backup.LocalStack.Services;

/// <summary>How a PostgreSQL server of the stack runs.</summary>
/// <param name="Name">What people call it.</param>
/// <param name="Folder">Holds its data folder, its password file and its log; made when missing, continued when not.</param>
public sealed record PostgresOptions(string Name, string Folder)
{
    /// <summary>TCP port on 127.0.0.1; a free one when not set. A restart keeps it.</summary>
    public int? Port { get; init; }

    /// <summary>Whether a commit waits for the disk. False only for tests: a crash of the machine may then lose commits, a killed server loses none.</summary>
    public bool Durable { get; init; } = true;

    /// <summary>Folder of the server's programs, for another version than npm's; null for npm's.</summary>
    public string? Programs { get; init; }

    /// <summary>More server settings, name to value.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();
}
