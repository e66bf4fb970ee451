namespace Backup.Sources.Postgres.Dumps;

/// <summary>What a logical dump of a PostgreSQL server takes.</summary>
public sealed record PostgresDumpRequest
{
    /// <summary>The cluster's asset name; the dump's snapshots are under <see cref="PostgresDumpSource.AssetOf"/>.</summary>
    public required string Asset { get; init; }

    /// <summary>An Npgsql connection string. Its password goes to the dump programs by their environment. Never written to logs, errors or the vault.</summary>
    public required string ConnectionString { get; init; }

    /// <summary>The databases; empty for all that allow connections and are no templates.</summary>
    public IReadOnlyList<string> Databases { get; init; } = [];

    /// <summary>The folder with pg_dump and pg_dumpall; null for where packages put them, those of the server's version or newer.</summary>
    public string? Programs { get; init; }

    /// <summary>Tags for the snapshot, for example the run's id under "run".</summary>
    public IReadOnlyDictionary<string, string> Tags { get; init; } = new Dictionary<string, string>();
}
