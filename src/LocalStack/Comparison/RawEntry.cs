using System.Text;

namespace Backup.LocalStack.Comparison;

/// <summary>What kind of thing a directory entry is.</summary>
internal enum EntryKind
{
    File,
    Folder,
    Link,
    Fifo,
    Socket,
    CharacterDevice,
    BlockDevice,
}

/// <summary>A file system entry exactly as the system reports it.</summary>
/// <remarks>Its name is the path below the tree's root, each byte as one character: names need not be UTF-8.</remarks>
internal sealed record RawEntry(string Name, EntryKind Kind, int Mode, uint User, uint Group, long Size, long AllocatedBytes,
    (long Seconds, uint Nanoseconds) Modified, long ChangedSeconds, (ulong Device, ulong Inode) Identity, uint Links, ulong DeviceNumber)
{
    /// <summary>The name as people read it: UTF-8, control characters escaped.</summary>
    public static string Readable(string name) =>
        string.Concat(Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(name)).Select(c => char.IsControl(c) ? $"\\x{(int)c:x2}" : c.ToString()));
}
