namespace Backup.Vault.Snapshots;

/// <summary>What a tree entry is. The numbers are stored.</summary>
public enum EntryType : byte
{
    /// <summary>A regular file, with content.</summary>
    File = 1,

    /// <summary>A directory, with a subtree.</summary>
    Directory = 2,

    /// <summary>A symbolic link, with a target.</summary>
    SymbolicLink = 3,

    /// <summary>A named pipe.</summary>
    Fifo = 4,

    /// <summary>A Unix socket.</summary>
    Socket = 5,

    /// <summary>A character device, with a device number.</summary>
    CharacterDevice = 6,

    /// <summary>A block device, with a device number.</summary>
    BlockDevice = 7,
}

/// <summary>Notes about how an entry was captured. The bits are stored.</summary>
[Flags]
public enum EntryNotes : byte
{
    /// <summary>Nothing to note.</summary>
    None = 0,

    /// <summary>The file changed while it was read: its content may mix two states.</summary>
    ChangedWhileRead = 1,

    /// <summary>The file or folder could not be read; only what the listing told is recorded.</summary>
    Unreadable = 2,
}

/// <summary>A hard link's identity: entries of one snapshot with the same key are the same file.</summary>
/// <param name="Device">Device number of the file system.</param>
/// <param name="Inode">Inode number.</param>
public readonly record struct HardLinkKey(ulong Device, ulong Inode);

/// <summary>A stretch of data in a sparse file; what lies between stretches is holes.</summary>
/// <param name="Offset">First byte.</param>
/// <param name="Length">Length in bytes.</param>
public readonly record struct Extent(long Offset, long Length);

/// <summary>An extended attribute, POSIX ACLs included, as the system gave it.</summary>
/// <param name="Name">Full name with its namespace, for example <c>system.posix_acl_access</c>.</param>
/// <param name="Value">The raw value, at most 64 KiB.</param>
public readonly record struct Xattr(string Name, ReadOnlyMemory<byte> Value);

/// <summary>One name in a directory with everything needed to make it again.</summary>
public sealed record TreeEntry
{
    /// <summary>The longest name, in bytes.</summary>
    public const int NameBytesMax = 4096;

    /// <summary>The longest symbolic link target, in bytes.</summary>
    public const int LinkTargetBytesMax = 64 * 1024;

    /// <summary>The most attributes of one entry.</summary>
    public const int AttributesMax = 4096;

    /// <summary>The raw bytes of the name: any but '/' and NUL, need not be UTF-8, never "." or "..".</summary>
    public required ReadOnlyMemory<byte> Name { get; init; }

    /// <summary>What it is.</summary>
    public required EntryType Type { get; init; }

    /// <summary>Permission bits with set-uid, set-gid and sticky (octal 7777).</summary>
    public uint Mode { get; init; }

    /// <summary>Numeric owner.</summary>
    public uint UserId { get; init; }

    /// <summary>Numeric group.</summary>
    public uint GroupId { get; init; }

    /// <summary>Owner's name at the time, or empty.</summary>
    public string UserName { get; init; } = "";

    /// <summary>Group's name at the time, or empty.</summary>
    public string GroupName { get; init; } = "";

    /// <summary>Modification time, nanoseconds since 1970.</summary>
    public long ModifiedNanoseconds { get; init; }

    /// <summary>Change time of the inode, nanoseconds since 1970; kept for the record, it cannot be restored.</summary>
    public long ChangedNanoseconds { get; init; }

    /// <summary>Apparent size in bytes, holes included; for files only.</summary>
    public long Size { get; init; }

    /// <summary>Target of a symbolic link, raw bytes.</summary>
    public ReadOnlyMemory<byte> LinkTarget { get; init; }

    /// <summary>Device number (as makedev gives it) of a device.</summary>
    public ulong DeviceNumber { get; init; }

    /// <summary>Set on files with more than one name.</summary>
    public HardLinkKey? HardLink { get; init; }

    /// <summary>Extended attributes, sorted by name.</summary>
    public IReadOnlyList<Xattr> Attributes { get; init; } = [];

    /// <summary>Null for ordinary files. For sparse files the data stretches; <see cref="Content"/> is then their bytes one after another.</summary>
    public IReadOnlyList<Extent>? Extents { get; init; }

    /// <summary>A file's bytes; null when it could not be read.</summary>
    public Content? Content { get; init; }

    /// <summary>A directory's entries; null when it could not be read.</summary>
    public TreeId? Subtree { get; init; }

    /// <summary>Notes.</summary>
    public EntryNotes Notes { get; init; }
}
