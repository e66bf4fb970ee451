using Backup.Vault.Storage;

namespace Backup.Sources.Files;

/// <summary>Where a file restore goes and what it takes.</summary>
public sealed record FilesRestoreRequest
{
    /// <summary>
    /// Absolute path of the folder to restore into; made when missing. Items land below it under their full path in the snapshot,
    /// unless <see cref="Subtree"/> is given. <c>/</c> restores in place.
    /// </summary>
    public required string Target { get; init; }

    /// <summary>
    /// A directory of the snapshot (for example <c>/data/fits</c>) whose content goes directly into <see cref="Target"/>; null for
    /// everything from the top. A restore of one folder in place has Target equal to Subtree.
    /// </summary>
    public string? Subtree { get; init; }

    /// <summary>
    /// gitignore-like patterns on paths in the snapshot, empty for everything: a name at any depth (<c>*.fits</c>), an absolute path
    /// (<c>/data/fits</c>), or a path below the snapshot's top, below any of the paths that were backed up, or below <see cref="Subtree"/>
    /// (<c>fits/2024</c>). A match on a directory takes all below it.
    /// </summary>
    public IReadOnlyList<string> Include { get; init; } = [];

    /// <summary>
    /// Allow a target that holds something: files that differ are brought to the snapshot's state writing only what differs, other
    /// files stay. Without it a target that is not empty is refused, unless it is what an interrupted restore of the same snapshot left.
    /// </summary>
    public bool Overwrite { get; init; }

    /// <summary>
    /// True for packs that cannot be read yet. Files that need one are left out, and the target stays marked as unfinished, so that the same request goes on
    /// later. Null: all can be read.
    /// </summary>
    public Func<ObjectName, bool>? IsWaiting { get; init; }

    /// <summary>Compare what is there and count what would be fetched and written; reads no content from the vault and writes nothing.</summary>
    public bool DryRun { get; init; }

    /// <summary>
    /// Return only when everything is durable: the file systems that were written to are flushed. Without, a power loss soon after the end
    /// may take what was restored, unnoticed.
    /// </summary>
    public bool Sync { get; init; } = true;

    /// <summary>Threads that decrypt and write: 1 to 64. Default: one per core, at least 2.</summary>
    public int Workers { get; init; } = Math.Clamp(Environment.ProcessorCount, 2, 64);
}
