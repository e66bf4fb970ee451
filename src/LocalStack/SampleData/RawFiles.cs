using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Backup.LocalStack.SampleData;

/// <summary>Files whose names, kinds or attributes .NET's own API cannot make: names that are no UTF-8, hard links, FIFOs, attributes, times to the nanosecond.</summary>
internal static partial class RawFiles
{
    private const int CreateExclusiveWrite = 0x1 | 0x40 | 0x80 | 0x80000;
    private const int NoFollow = 0x100;
    private const int CurrentFolder = -100;

    public static void Write(byte[] path, ReadOnlySpan<byte> content)
    {
        using var handle = new SafeFileHandle(Check(Open(Terminated(path), CreateExclusiveWrite, 0x1A4), "open"), ownsHandle: true);
        RandomAccess.Write(handle, content, 0);
    }

    public static void MakeFifo(string path) => Check(MkFifo(path, 0x180), "mkfifo");

    public static void HardLink(string existing, string path) => Check(Link(existing, path), "link");

    /// <returns>False where the file system keeps no user attributes.</returns>
    public static bool TrySetAttribute(string path, string name, string value)
    {
        const int NotSupported = 95;
        var bytes = Encoding.UTF8.GetBytes(value);
        if (SetXattr(path, name, bytes, (nuint)bytes.Length, 0) == 0)
        {
            return true;
        }

        var error = Marshal.GetLastPInvokeError();
        return error == NotSupported ? false : throw new Win32Exception(error, $"Setting {name} on {path} failed");
    }

    /// <summary>Sets the time of last change, of a link itself rather than its target.</summary>
    public static void SetModified(byte[] path, long seconds, long nanoseconds)
    {
        long[] accessAndChange = [seconds, nanoseconds, seconds, nanoseconds];
        Check(UTimeNsAt(CurrentFolder, Terminated(path), accessAndChange, NoFollow), "utimensat");
    }

    public static byte[] Bytes(string path) => Encoding.UTF8.GetBytes(path);

    private static byte[] Terminated(byte[] path) => [.. path, 0];

    private static int Check(int result, string call) => result >= 0 ? result : throw new Win32Exception(Marshal.GetLastPInvokeError(), $"{call} failed");

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true)]
    private static partial int Open(byte[] path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "mkfifo", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MkFifo(string path, uint mode);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string existing, string path);

    [LibraryImport("libc", EntryPoint = "lsetxattr", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetXattr(string path, string name, byte[] value, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "utimensat", SetLastError = true)]
    private static partial int UTimeNsAt(int folder, byte[] path, long[] times, int flags);
}
