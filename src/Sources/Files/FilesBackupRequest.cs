namespace Backup.Sources.Files;

/// <summary>What a file backup takes.</summary>
/// <remarks>
/// The snapshot holds every item under its full absolute path, as tar and most backup tools do: a restore of <c>/data</c> to
/// <c>/scratch</c> makes <c>/scratch/data</c>, and a restore to <c>/</c> is one in place.
/// </remarks>
public sealed record FilesBackupRequest
{
    /// <summary>The asset's name: snapshots and the cache of unchanged files belong to it.</summary>
    public required string Asset { get; init; }

    /// <summary>Absolute paths without "..". A path may be a file, and may be inside another one. A symbolic link given here is stored as a link.</summary>
    public required IReadOnlyList<string> Paths { get; init; }

    /// <summary>
    /// gitignore-like patterns: a name at any depth (<c>*.tmp</c>), an absolute path (<c>/data/scratch</c>), or a path below each of
    /// <see cref="Paths"/> (<c>build/output</c>).
    /// </summary>
    public IReadOnlyList<string> Excludes { get; init; } = [];

    /// <summary>Leave out the content of directories marked with a valid CACHEDIR.TAG; the mark itself is kept. Default true.</summary>
    public bool SkipCacheDirectories { get; init; } = true;

    /// <summary>Do not enter directories on other file systems than the path they were reached from; the mount point is kept, empty.</summary>
    public bool OneFileSystem { get; init; }

    /// <summary>
    /// A private folder for the cache of unchanged files, or null for none: then every file is read. Losing the cache costs time only.
    /// </summary>
    public string? CacheFolder { get; init; }

    /// <summary>
    /// Ask for all sizes ahead of reading, so that progress has a total: for a person who watches. Costs a second walk. Default false.
    /// </summary>
    public bool EstimateTotal { get; init; }

    /// <summary>Threads that read, chunk and compress: 1 to 64. Default: one per core, at least 2.</summary>
    public int Workers { get; init; } = Math.Clamp(Environment.ProcessorCount, 2, 64);

    /// <summary>Tags for the snapshot, for example the run's id under "run".</summary>
    public IReadOnlyDictionary<string, string> Tags { get; init; } = new Dictionary<string, string>();
}
