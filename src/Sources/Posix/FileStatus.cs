namespace Backup.Sources.Posix;

internal enum FileType
{
    Unknown = 0,
    Fifo = 0x1000,
    CharacterDevice = 0x2000,
    Directory = 0x4000,
    BlockDevice = 0x6000,
    Regular = 0x8000,
    SymbolicLink = 0xA000,
    Socket = 0xC000,
}

/// <summary>What identifies a file on this machine while it is mounted.</summary>
internal readonly record struct FileIdentity(ulong Device, ulong Inode);

/// <summary>
/// A file's status as statx gives it. Times are nanoseconds since 1970-01-01 UTC, years 1677 to 2262; a time beyond is the nearest of these.
/// </summary>
internal readonly record struct FileStatus(
    FileType Type,
    uint Permissions,
    uint User,
    uint Group,
    long Size,
    long AllocatedBytes,
    long ModifiedNanoseconds,
    long ChangedNanoseconds,
    ulong Device,
    ulong Inode,
    uint Links,
    uint NodeMajor,
    uint NodeMinor)
{
    /// <summary>The device a node stands for, encoded as the C library's makedev does.</summary>
    internal ulong NodeNumber =>
        ((ulong)(NodeMajor & 0xFFF) << 8) | ((ulong)(NodeMajor & ~0xFFFu) << 32) | (NodeMinor & 0xFF) | ((ulong)(NodeMinor & ~0xFFu) << 12);

    internal FileIdentity Identity => new(Device, Inode);

    /// <summary>True when the content cannot have been touched between the two, as far as the file system tells.</summary>
    internal bool SameContentAs(in FileStatus other) =>
        Type == other.Type && Size == other.Size && ModifiedNanoseconds == other.ModifiedNanoseconds
        && ChangedNanoseconds == other.ChangedNanoseconds && Inode == other.Inode && Device == other.Device;

    internal static FileStatus From(in Libc.StatXBuffer raw) => new(
        (FileType)(raw.Mode & 0xF000),
        (uint)raw.Mode & 0xFFF,
        raw.User,
        raw.Group,
        raw.Size,
        raw.Blocks512 * 512,
        Nanoseconds(raw.Modified),
        Nanoseconds(raw.Changed),
        ((ulong)raw.DeviceMajor << 32) | raw.DeviceMinor,
        raw.Inode,
        raw.Links,
        raw.NodeMajor,
        raw.NodeMinor);

    private static long Nanoseconds(Libc.StatXTime time)
    {
        var exact = ((Int128)time.Seconds * 1_000_000_000) + time.Nanoseconds;
        return (long)Int128.Clamp(exact, long.MinValue, long.MaxValue);
    }

    internal static Libc.TimeSpec TimeSpecOf(long nanoseconds)
    {
        var (seconds, rest) = Math.DivRem(nanoseconds, 1_000_000_000L);
        return rest < 0
            ? new Libc.TimeSpec { Seconds = seconds - 1, Nanoseconds = rest + 1_000_000_000L }
            : new Libc.TimeSpec { Seconds = seconds, Nanoseconds = rest };
    }
}
