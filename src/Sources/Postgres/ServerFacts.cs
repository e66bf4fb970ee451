namespace Backup.Sources.Postgres;

/// <summary>What the server said about itself before the backup began.</summary>
/// <param name="VersionNumber">As server_version_num, for example 160004.</param>
/// <param name="SystemIdentifier">The cluster's identity, made by initdb.</param>
/// <param name="CatalogVersion">Names the version folder inside tablespaces.</param>
/// <param name="Timeline">The timeline being written.</param>
/// <param name="DataDirectory">Absolute path on this machine.</param>
/// <param name="WalSegmentBytes">Size of a write-ahead log file.</param>
/// <param name="HasChecksums">Data pages carry checksums.</param>
/// <param name="CanUseSlot">The role may make a replication slot and one is free.</param>
/// <param name="IsStandby">In recovery: it replays another server's log and writes none of its own.</param>
internal sealed record ServerFacts(
    int VersionNumber,
    ulong SystemIdentifier,
    uint CatalogVersion,
    uint Timeline,
    string DataDirectory,
    int WalSegmentBytes,
    bool HasChecksums,
    bool CanUseSlot,
    bool IsStandby)
{
    /// <summary>The superuser that initdb made.</summary>
    internal string? Superuser { get; init; }

    /// <summary>The log of a backup is that of one timeline.</summary>
    /// <exception cref="SourcesException">WalMissing: the server writes another one at the backup's end.</exception>
    internal void CheckTimeline(uint atEnd)
    {
        if (atEnd != Timeline)
            throw new SourcesException(SourcesFault.WalMissing, $"The server changed from timeline {Timeline} to {atEnd} during the backup.", "Run the backup again.");
    }
}
