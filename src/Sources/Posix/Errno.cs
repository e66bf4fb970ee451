using System.Runtime.InteropServices;

namespace Backup.Sources.Posix;

/// <summary>An error number of the operating system; zero means none. The values used here are the same on x64 and arm64.</summary>
internal readonly record struct Errno(int Value)
{
    internal static readonly Errno None;
    internal static readonly Errno NotPermitted = new(1);
    internal static readonly Errno NoEntry = new(2);
    internal static readonly Errno Interrupted = new(4);
    internal static readonly Errno InputOutput = new(5);
    internal static readonly Errno NoSuchDevice = new(6);
    internal static readonly Errno AccessDenied = new(13);
    internal static readonly Errno Exists = new(17);
    internal static readonly Errno NotDirectory = new(20);
    internal static readonly Errno IsDirectory = new(21);
    internal static readonly Errno InvalidArgument = new(22);
    internal static readonly Errno NoSpace = new(28);
    internal static readonly Errno ReadOnlyFileSystem = new(30);
    internal static readonly Errno OutOfRange = new(34);
    internal static readonly Errno SymbolicLinkLoop = new(40);
    internal static readonly Errno NoData = new(61);
    internal static readonly Errno NotSupported = new(95);
    internal static readonly Errno Stale = new(116);
    internal static readonly Errno QuotaExceeded = new(122);

    internal bool IsError => Value != 0;

    /// <summary>The thing was there a moment ago and is not any more, or is something else now.</summary>
    internal bool IsVanished => this == NoEntry || this == NotDirectory || this == SymbolicLinkLoop || this == Stale || this == NoSuchDevice;

    internal bool IsDenied => this == AccessDenied || this == NotPermitted;

    internal bool IsFull => this == NoSpace || this == QuotaExceeded;

    internal static Errno Last => new(Marshal.GetLastPInvokeError());

    /// <summary>The operating system's own words, for example "Permission denied".</summary>
    public override string ToString() => Marshal.GetPInvokeErrorMessage(Value);

    internal SourcesFault Fault => this switch
    {
        { IsDenied: true } => SourcesFault.AccessDenied,
        { IsFull: true } => SourcesFault.DiskFull,
        { IsVanished: true } => SourcesFault.PathMissing,
        _ => SourcesFault.InputOutput,
    };

    internal SourcesException Failure(string doing, string path) => new(Fault, $"Cannot {doing} {path}: {this}.", Fault switch
    {
        SourcesFault.AccessDenied => "Run as a user who may do this, or change the permissions.",
        SourcesFault.DiskFull => "Free some space or quota there, then run the same command again: it continues.",
        SourcesFault.PathMissing => "Check the path; something may have moved or removed it.",
        _ => "Look at the kernel log (dmesg) for a failing disk or a lost network file system.",
    });
}
