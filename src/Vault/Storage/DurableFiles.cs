using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace Backup.Vault.Storage;

/// <summary>Files below one folder that are there wholly and durably, or not at all.</summary>
/// <remarks>
/// Durability of a create, in this order: (1) write a temporary file in <c>tmp</c>, (2) fsync it, (3) rename it to its final name
/// without replacing, (4) fsync the folder; new folders are fsynced in their parent first. A crash before (3) leaves a temporary
/// file and nothing else; a crash before (4) leaves the file or nothing. A delete unlinks and fsyncs the folder.
/// </remarks>
/// <param name="root">The folder; made at the first create.</param>
internal sealed class DurableFiles(string root)
{
    private const UnixFileMode FolderMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const string TemporaryFolder = "tmp";

    /// <summary>Creates a file, durably and never over another.</summary>
    /// <param name="path">The whole path.</param>
    /// <param name="what">What it is called in messages.</param>
    /// <param name="write">Writes all bytes and flushes them to the disk.</param>
    /// <param name="ensureFolder">Makes the folders when needed.</param>
    /// <exception cref="VaultException">StoreFull, AccessDenied or StoreUnavailable.</exception>
    internal async Task<CreateOutcome> CreateAsync(string path, string what, Func<SafeFileHandle, Task> write, Action ensureFolder)
    {
        var temporary = Path.Combine(root, TemporaryFolder, $"{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16))}.part");
        try
        {
            // A look first saves writing what is already there; the rename below decides for certain.
            if (File.Exists(path)) return AnswerExisting(path);
            ensureFolder();
            // No preallocation: .NET reports a full disk there without an error code, and a full disk must be told as one.
            using (var file = File.OpenHandle(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
                await write(file).ConfigureAwait(false);
            }

            var outcome = TakeName(temporary, path);
            SyncFolder(Path.GetDirectoryName(path)!);
            return outcome;
        }
        catch (Exception e)
        {
            DropTemporary(temporary);
            if (e is FileNotFoundException or DirectoryNotFoundException) throw CannotMake(e, what);
            if (e is IOException or UnauthorizedAccessException) throw Explain(e, what, "write");
            throw;
        }
    }

    /// <summary>Gives a file its name, unless another has it; then the file is dropped.</summary>
    internal static CreateOutcome TakeName(string temporary, string path)
    {
        if (OperatingSystem.IsWindows())
        {
            File.Move(temporary, path, overwrite: false);
            return CreateOutcome.Created;
        }

        var error = Libc.RenameWithoutReplacing(temporary, path);
        if (error == Libc.ErrnoExists)
        {
            File.Delete(temporary);
            return CreateOutcome.AlreadyExists;
        }

        if (error != 0) throw new IOException($"Renaming a new object to its name failed with error {error}.", error);
        return CreateOutcome.Created;
    }

    /// <summary>Another process may have renamed the object but not yet synced the folder: durable on return holds for us too.</summary>
    private static CreateOutcome AnswerExisting(string path)
    {
        SyncFolder(Path.GetDirectoryName(path)!);
        return CreateOutcome.AlreadyExists;
    }

    /// <summary>All bytes, onto the disk.</summary>
    internal static Task Write(SafeFileHandle file, ReadOnlyMemory<byte> content)
    {
        RandomAccess.Write(file, content.Span, 0);
        RandomAccess.FlushToDisk(file);
        return Task.CompletedTask;
    }

    /// <summary>The folders that a create at this path needs.</summary>
    internal void MakeFoldersFor(string path)
    {
        MakeFolder(Path.Combine(root, TemporaryFolder));
        MakeFolder(Path.GetDirectoryName(path)!);
    }

    internal static void MakeFolder(string path)
    {
        if (Directory.Exists(path)) return;
        var parent = Path.GetDirectoryName(path);
        if (parent is not null) MakeFolder(parent);
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(path);
        else Directory.CreateDirectory(path, FolderMode);
        if (parent is not null) SyncFolder(parent);
    }

    internal static void SyncFolder(string path)
    {
        if (OperatingSystem.IsWindows()) return;
        var error = Libc.SyncFolder(path);
        if (error != 0) throw new IOException($"Syncing folder {path} failed with error {error}.", error);
    }

    internal static byte[] ReadWhole(string path, string name, int bytesMax)
    {
        using var file = File.OpenHandle(path);
        var length = RandomAccess.GetLength(file);
        if (length > bytesMax) throw new VaultException(VaultFault.LimitExceeded, $"{name} has {length} bytes, more than it may have.", "It was not written by this software; verify the vault.");
        var content = new byte[length];
        ReadFully(file, name, 0, content);
        return content;
    }

    internal static void ReadFully(SafeFileHandle file, string name, long offset, Span<byte> destination)
    {
        while (destination.Length > 0)
        {
            var count = RandomAccess.Read(file, destination, offset);
            if (count == 0) throw VaultException.Damaged(name, $"it ends at byte {offset}, before the range asked for does");
            destination = destination[count..];
            offset += count;
        }
    }

    internal static bool Delete(string path)
    {
        if (!File.Exists(path)) return false;
        File.Delete(path);
        SyncFolder(Path.GetDirectoryName(path)!);
        return true;
    }

    /// <summary>Removes temporary files last written before <paramref name="olderThan"/>: what crashed writers left.</summary>
    /// <returns>How many were removed.</returns>
    /// <exception cref="VaultException">AccessDenied or StoreUnavailable.</exception>
    internal int RemoveTemporary(DateTimeOffset olderThan)
    {
        var folder = new DirectoryInfo(Path.Combine(root, TemporaryFolder));
        try
        {
            if (!folder.Exists) return 0;
            var removed = 0;
            foreach (var file in folder.EnumerateFiles().Where(f => f.LastWriteTimeUtc < olderThan.UtcDateTime))
            {
                file.Delete();
                removed++;
            }

            return removed;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Explain(e, null, "remove temporary files from");
        }
    }

    internal static T Guard<T>(string name, string verb, Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Explain(e, name, verb);
        }
    }

    internal static VaultException Explain(Exception e, string? name, string verb)
    {
        const int ReadOnlyFileSystem = 30;
        var what = name ?? "a folder of the vault";
        return e switch
        {
            FileNotFoundException or DirectoryNotFoundException => new VaultException(VaultFault.NotFound, $"{what} does not exist.", "If a replica has it, run 'vault repair'.", e),
            UnauthorizedAccessException or IOException { HResult: ReadOnlyFileSystem } => new VaultException(VaultFault.AccessDenied, $"Could not {verb} {what}: {e.Message}", "Check the owner and mode of the vault's folder.", e),
            _ when IsFull(e) => new VaultException(VaultFault.StoreFull, $"Could not {verb} {what}: no space left.", "Free space or prune; what is committed is safe.", e),
            _ => new VaultException(VaultFault.StoreUnavailable, $"Could not {verb} {what}: {e.Message}", "Check that the vault's disk or share is mounted and healthy.", e),
        };
    }

    /// <summary>Whether a failure means a full disk or an exhausted quota.</summary>
    internal static bool IsFull(Exception e)
    {
        const int NoSpace = 28, QuotaExceeded = 122, WindowsDiskFull = unchecked((int)0x80070070);
        return e is IOException { HResult: NoSpace or QuotaExceeded or WindowsDiskFull };
    }

    // Not "not found", which is said of what somebody wants to read.
    private static VaultException CannotMake(Exception e, string what) => new(
        VaultFault.StoreUnavailable, $"Could not write {what}: its folder cannot be made, or went away.", "Check the path, and that its disk or share is mounted.", e);

    private static void DropTemporary(string temporary)
    {
        try
        {
            File.Delete(temporary);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The first failure is the one to report; RemoveTemporaryFiles takes the leftover later.
        }
    }
}
