using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Backup.Agent.Journal;

/// <summary>Makes created, renamed and deleted names of a folder durable; .NET flushes files only.</summary>
internal static partial class FolderSync
{
    private const int ReadOnly = 0;
    private const int InvalidArgument = 22;

    /// <exception cref="IOException">The folder cannot be opened or flushed.</exception>
    public static void Flush(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            return; // NTFS journals names by itself, and a folder has no handle to flush.
        }

        var handle = Open(folder, ReadOnly);
        if (handle < 0)
        {
            throw Failure("open", folder);
        }

        try
        {
            // Some network file systems refuse to flush a folder with EINVAL: they have nothing to flush there.
            if (Fsync(handle) != 0 && Marshal.GetLastPInvokeError() != InvalidArgument)
            {
                throw Failure("flush", folder);
            }
        }
        finally
        {
            _ = Close(handle);
        }
    }

    private static IOException Failure(string what, string folder)
    {
        var cause = new Win32Exception(Marshal.GetLastPInvokeError());
        return new IOException($"Cannot {what} the folder {folder}: {cause.Message}", cause);
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Fsync(int handle);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int handle);
}
