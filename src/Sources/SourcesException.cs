namespace Backup.Sources;

/// <summary>What went wrong, as far as a caller acts on it.</summary>
public enum SourcesFault
{
    /// <summary>A path or database that was asked for does not exist, or is not what was expected there.</summary>
    PathMissing,

    /// <summary>The operating system refused.</summary>
    AccessDenied,

    /// <summary>No space or quota left on the target.</summary>
    DiskFull,

    /// <summary>A device or file system failed.</summary>
    InputOutput,

    /// <summary>The restore target holds something and overwriting was not asked for.</summary>
    TargetNotEmpty,

    /// <summary>The snapshot was made by another kind of source, or has no such path.</summary>
    SnapshotUnsuitable,

    /// <summary>An exclude or include pattern cannot be read.</summary>
    PatternInvalid,

    /// <summary>The database server cannot be reached, or the connection was lost.</summary>
    ServerUnavailable,

    /// <summary>The database server is not one this source can back up: settings, version, role or place.</summary>
    ServerUnsuitable,

    /// <summary>Write-ahead log that the backup needs is gone.</summary>
    WalMissing,

    /// <summary>Data was read that cannot be right.</summary>
    DataDamaged,

    /// <summary>The server, or the file, belongs to another cluster than what the vault holds, or to a history that split off from it.</summary>
    WrongCluster,

    /// <summary>The vault holds another content under the same name.</summary>
    WalConflict,

    /// <summary>The vault does not hold the file of write-ahead log that was asked for.</summary>
    WalNotHeld,

    /// <summary>The database server, or the program that restores a dump into it, refused something of the dump.</summary>
    RestoreRefused,

    /// <summary>The vault cannot bring the cluster to the point in time that was asked for.</summary>
    TargetUnreachable,
}

/// <summary>The one exception of this project: what failed, and what a person can do about it.</summary>
/// <param name="fault">What a caller may act on.</param>
/// <param name="message">One sentence that names the thing and the reason. Never holds a secret.</param>
/// <param name="hint">What to do next.</param>
/// <param name="cause">The exception underneath, if any.</param>
public sealed class SourcesException(SourcesFault fault, string message, string hint, Exception? cause = null)
    : Exception($"{message}\nHint: {hint}", cause)
{
    /// <summary>What a caller may act on.</summary>
    public SourcesFault Fault { get; } = fault;

    /// <summary>What a person can do about it.</summary>
    public string Hint { get; } = hint;

    /// <summary>The same request may succeed later without anybody changing anything.</summary>
    public bool IsTransient => Fault is SourcesFault.ServerUnavailable or SourcesFault.WalMissing;
}
