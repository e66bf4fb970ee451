namespace Backup.Sources.Postgres;

/// <summary>Where a PostgreSQL restore goes.</summary>
public sealed record PostgresRestoreRequest
{
    /// <summary>
    /// Absolute path of the new data directory; made when missing, and empty (or what a killed restore of the same
    /// snapshot left, which is continued): leftovers of another cluster, old log above all, would damage this one.
    /// </summary>
    public required string Target { get; init; }

    /// <summary>
    /// The target may hold this very cluster, stopped: what differs is brought to the snapshot's state, what the snapshot does not have is removed,
    /// the cluster's own log included.
    /// </summary>
    public bool Overwrite { get; init; }

    /// <summary>
    /// New places by the tablespace's object id; what is not named here goes to <c>TARGET.tablespaces/OID</c>, beside the data directory;
    /// with <see cref="Overwrite"/>, to where the cluster has it now.
    /// </summary>
    public IReadOnlyDictionary<uint, string> Tablespaces { get; init; } = new Dictionary<uint, string>();

    /// <summary>
    /// The account that owns the restored files, when this process is root; null for the owner of the folder that holds the target
    /// or, when that is root, of the account named postgres. Other users restore as themselves.
    /// </summary>
    public string? Owner { get; init; }

    /// <summary>
    /// Called once, when everything is in place and before the target stops being marked as unfinished: what the caller notes durably here
    /// and the mark never both lack. Whoever finds the note but no end calls <see cref="PostgresRestore.Unmark"/>.
    /// </summary>
    public Action<RestoreOutcome>? WhenInPlace { get; init; }

    /// <summary>Threads that decrypt and write: 1 to 64. Default: one per core, at least 2.</summary>
    public int Workers { get; init; } = Math.Clamp(Environment.ProcessorCount, 2, 64);
}
