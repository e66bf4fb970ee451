using System.Runtime.InteropServices;

namespace Backup.Vault.Storage;

/// <summary>The file system calls of Linux that .NET does not offer: syncing a folder and renaming without replacing.</summary>
internal static partial class Libc
{
    internal const int ErrnoNotFound = 2, ErrnoExists = 17, ErrnoCrossDevice = 18, ErrnoInvalid = 22, ErrnoNoSystemCall = 38, ErrnoNotSupported = 95;

    private const int OpenReadOnly = 0, OpenDirectory = 0x10000, OpenCloseOnExec = 0x80000;
    private const int AtCurrentFolder = -100;
    private const uint RenameNoReplace = 1;

    /// <summary>Makes a folder's entries durable. 0, or the error number.</summary>
    internal static int SyncFolder(string path)
    {
        var handle = Open(path, OpenReadOnly | OpenDirectory | OpenCloseOnExec);
        if (handle < 0) return Marshal.GetLastPInvokeError();
        try
        {
            // EINVAL: file systems that cannot sync folders (some network mounts) order metadata themselves.
            return FileSync(handle) == 0 || Marshal.GetLastPInvokeError() == ErrnoInvalid ? 0 : Marshal.GetLastPInvokeError();
        }
        finally
        {
            _ = Close(handle);
        }
    }

    /// <summary>Gives a file its final name unless that name is taken. 0, or the error number (<see cref="ErrnoExists"/> when taken).</summary>
    internal static int RenameWithoutReplacing(string from, string to)
    {
        if (RenameAt2(AtCurrentFolder, from, AtCurrentFolder, to, RenameNoReplace) == 0) return 0;
        var error = Marshal.GetLastPInvokeError();
        if (error is not (ErrnoInvalid or ErrnoNoSystemCall or ErrnoNotSupported)) return error;

        // File systems without RENAME_NOREPLACE (NFS, some FUSE): a hard link also fails when the name is taken.
        if (Link(from, to) != 0) return Marshal.GetLastPInvokeError();
        return Unlink(from) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FileSync(int handle);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int handle);

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameAt2(int fromFolder, string from, int toFolder, string to, uint flags);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string from, string to);

    [LibraryImport("libc", EntryPoint = "unlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Unlink(string path);
}
