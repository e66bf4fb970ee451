using System.Buffers.Binary;
using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Backup.LocalStack.Comparison;

/// <summary>Reads a file tree by system calls, so that the comparison shares no code and no blind spot with the backup it judges.</summary>
internal static partial class RawTree
{
    private const int CurrentFolder = -100;
    private const int NoFollow = 0x100;
    private const uint BasicStatistics = 0x7FF;
    private const int StatisticsBytes = 256;
    private const int DirectoryNameOffset = 19;
    private const int ReadNoFollow = 0x20000 | 0x80000;
    private const int AttributeListBytesMax = 64 * 1024;
    private const int NotSupported = 95;

    /// <summary>Every entry below a root (the root itself is the empty name), by name.</summary>
    public static Dictionary<string, RawEntry> Read(string root)
    {
        Dictionary<string, RawEntry> entries = new(StringComparer.Ordinal);
        Stack<string> open = new([string.Empty]);
        entries[string.Empty] = Describe(root, string.Empty);
        while (open.TryPop(out var folder))
        {
            foreach (var name in Names(root, folder))
            {
                var path = folder.Length == 0 ? name : folder + '/' + name;
                var entry = entries[path] = Describe(root, path);
                if (entry.Kind == EntryKind.Folder)
                {
                    open.Push(path);
                }
            }
        }

        return entries;
    }

    public static FileStream Open(string root, string name)
    {
        var handle = OpenFile(Terminated(root, name), ReadNoFollow);
        return handle >= 0 ? new FileStream(new SafeFileHandle(handle, ownsHandle: true), FileAccess.Read, bufferSize: 1) : throw Failure("open", name);
    }

    public static string LinkTarget(string root, string name)
    {
        var target = new byte[4096];
        var length = ReadLink(Terminated(root, name), target, (nuint)target.Length);
        return length >= 0 ? Encoding.Latin1.GetString(target, 0, (int)length) : throw Failure("readlink", name);
    }

    /// <summary>The extended attributes, name to value, by name; empty where the file system keeps none.</summary>
    public static SortedDictionary<string, string> Attributes(string root, string name)
    {
        var path = Terminated(root, name);
        var list = new byte[AttributeListBytesMax];
        var length = (int)ListAttributes(path, list, (nuint)list.Length);
        if (length < 0 && Marshal.GetLastPInvokeError() != NotSupported)
        {
            throw Failure("llistxattr", name);
        }

        SortedDictionary<string, string> found = new(StringComparer.Ordinal);
        foreach (var attribute in Encoding.Latin1.GetString(list, 0, Math.Max(length, 0)).Split('\0', StringSplitOptions.RemoveEmptyEntries))
        {
            var value = new byte[AttributeListBytesMax];
            var size = GetAttribute(path, [.. Encoding.Latin1.GetBytes(attribute), 0], value, (nuint)value.Length);
            found[attribute] = size >= 0 ? Convert.ToHexString(value, 0, (int)size) : throw Failure("lgetxattr", name);
        }

        return found;
    }

    private static List<string> Names(string root, string folder)
    {
        var stream = OpenDirectory(Terminated(root, folder));
        if (stream == 0)
        {
            throw Failure("opendir", folder);
        }

        try
        {
            List<string> names = [];
            while (true)
            {
                var entry = ReadDirectory(stream);
                if (entry == 0)
                {
                    return Marshal.GetLastPInvokeError() == 0 ? names : throw Failure("readdir", folder);
                }

                var name = ReadName(entry + DirectoryNameOffset);
                if (name is not ("." or ".."))
                {
                    names.Add(name);
                }
            }
        }
        finally
        {
            _ = CloseDirectory(stream);
        }
    }

    private static string ReadName(nint start)
    {
        var length = 0;
        while (Marshal.ReadByte(start, length) != 0)
        {
            length++;
        }

        var bytes = new byte[length];
        Marshal.Copy(start, bytes, 0, length);
        return Encoding.Latin1.GetString(bytes);
    }

    private static RawEntry Describe(string root, string name)
    {
        var s = new byte[StatisticsBytes];
        if (Statistics(CurrentFolder, Terminated(root, name), NoFollow, BasicStatistics, s) != 0)
        {
            throw Failure("statx", name);
        }

        int mode = MemoryMarshal.Read<ushort>(s.AsSpan(28));
        var kind = (mode >> 12) switch
        {
            0x8 => EntryKind.File,
            0x4 => EntryKind.Folder,
            0xA => EntryKind.Link,
            0x1 => EntryKind.Fifo,
            0xC => EntryKind.Socket,
            0x2 => EntryKind.CharacterDevice,
            var other => other == 0x6 ? EntryKind.BlockDevice : throw new InvalidDataException($"Unknown file kind {other:x}"),
        };
        return new RawEntry(name, kind, mode & 0xFFF, U32(20), U32(24), I64(40), I64(48) * 512, (I64(112), U32(120)), I64(96),
            ((ulong)U32(136) << 32 | U32(140), (ulong)I64(32)), U32(16), (ulong)U32(128) << 32 | U32(132));

        uint U32(int at) => BinaryPrimitives.ReadUInt32LittleEndian(s.AsSpan(at));
        long I64(int at) => BinaryPrimitives.ReadInt64LittleEndian(s.AsSpan(at));
    }

    private static byte[] Terminated(string root, string name) =>
        name.Length == 0 ? [.. Encoding.UTF8.GetBytes(root), 0] : [.. Encoding.UTF8.GetBytes(root), (byte)'/', .. Encoding.Latin1.GetBytes(name), 0];

    private static Win32Exception Failure(string call, string name) => new(Marshal.GetLastPInvokeError(), $"{call} of {RawEntry.Readable(name)} failed");

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true)]
    private static partial int Statistics(int folder, byte[] path, int flags, uint mask, byte[] result);

    [LibraryImport("libc", EntryPoint = "opendir", SetLastError = true)]
    private static partial nint OpenDirectory(byte[] path);

    [LibraryImport("libc", EntryPoint = "readdir", SetLastError = true)]
    private static partial nint ReadDirectory(nint stream);

    [LibraryImport("libc", EntryPoint = "closedir")]
    private static partial int CloseDirectory(nint stream);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true)]
    private static partial int OpenFile(byte[] path, int flags);

    [LibraryImport("libc", EntryPoint = "readlink", SetLastError = true)]
    private static partial nint ReadLink(byte[] path, byte[] target, nuint length);

    [LibraryImport("libc", EntryPoint = "llistxattr", SetLastError = true)]
    private static partial nint ListAttributes(byte[] path, byte[] list, nuint length);

    [LibraryImport("libc", EntryPoint = "lgetxattr", SetLastError = true)]
    private static partial nint GetAttribute(byte[] path, byte[] name, byte[] value, nuint length);
}
