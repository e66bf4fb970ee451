using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace Backup.Vault.Storage;

/// <summary>
/// A store in a folder of a local or mounted file system (POSIX; Windows works without folder syncs and is not tested).
/// </summary>
/// <remarks>
/// Durability of a create, in this order: (1) write a temporary file in <c>tmp</c>, (2) fsync it, (3) rename it to its final name
/// without replacing, (4) fsync the folder; new folders are fsynced in their parent first. A crash before (3) leaves a temporary
/// file and nothing else; a crash before (4) leaves the object or nothing. A delete unlinks and fsyncs the folder.
/// Temporary files of dead processes are removed by <see cref="RemoveTemporaryFiles"/>.
/// </remarks>
public sealed class FileSystemObjectStore : IObjectStore, IQuarantine
{
    private const UnixFileMode FolderMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const string TemporaryFolder = "tmp";
    private readonly string _root;
    private readonly bool[] _foldersReady = new bool[16 * 256];

    /// <summary>Uses a folder, which is created at the first write if it does not exist.</summary>
    /// <param name="root">Absolute or relative path.</param>
    public FileSystemObjectStore(string root)
    {
        ArgumentException.ThrowIfNullOrEmpty(root);
        _root = Path.GetFullPath(root);
    }

    /// <inheritdoc/>
    public string Description => _root;

    /// <inheritdoc/>
    public bool ReadsPiecesFreely => true;

    /// <inheritdoc/>
    public Task<CreateOutcome> CreateAsync(ObjectName name, ReadOnlyMemory<byte> content, CancellationToken cancel)
    {
        if (content.Length is 0 or > IObjectStore.ObjectBytesMax) throw new ArgumentException($"An object has 1 to {IObjectStore.ObjectBytesMax} bytes.", nameof(content));
        cancel.ThrowIfCancellationRequested();
        return Task.Run(() => CreateAsync(PathOf(name), name.ToString(), file => Write(file, content), () => EnsureFolder(name)), cancel);
    }

    /// <inheritdoc/>
    public Task<CreateOutcome> CreateAsync(ObjectName name, Stream content, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(content);
        return Task.Run(() => CreateAsync(PathOf(name), name.ToString(), WriteAsync, () => EnsureFolder(name)), cancel);

        async Task WriteAsync(SafeFileHandle file)
        {
            await using var stream = new FileStream(file, FileAccess.Write, bufferSize: 0);
            await content.CopyToAsync(stream, cancel).ConfigureAwait(false);
            RandomAccess.FlushToDisk(file);
        }
    }

    /// <inheritdoc/>
    public Task<byte[]> ReadAsync(ObjectName name, CancellationToken cancel) => Task.Run(
        () => Guard(name.ToString(), "read", () => ReadWhole(PathOf(name), name.ToString(), IObjectStore.ObjectBytesMax)),
        cancel);

    /// <inheritdoc/>
    public Task ReadRangeAsync(ObjectName name, long offset, Memory<byte> destination, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        return Task.Run(
            () => Guard(name.ToString(), "read", () =>
            {
                using var file = File.OpenHandle(PathOf(name));
                ReadFully(file, name.ToString(), offset, destination.Span);
                return true;
            }),
            cancel);
    }

    /// <inheritdoc/>
    public Task<long?> FindLengthAsync(ObjectName name, CancellationToken cancel) => Task.Run(
        () => Guard(name.ToString(), "inspect", () =>
        {
            var file = new FileInfo(PathOf(name));
            return file.Exists ? file.Length : (long?)null;
        }),
        cancel);

    /// <inheritdoc/>
    public async IAsyncEnumerable<StoreObject> ListAsync(ObjectKind kind, [EnumeratorCancellation] CancellationToken cancel)
    {
        var folder = Path.Combine(_root, ObjectName.FolderOf(kind));
        foreach (var prefix in await Task.Run(() => ListPrefixes(folder), cancel).ConfigureAwait(false))
        {
            cancel.ThrowIfCancellationRequested();
            foreach (var found in await Task.Run(() => ListFolder(kind, Path.Combine(folder, prefix)), cancel).ConfigureAwait(false))
                yield return found;
        }
    }

    /// <inheritdoc/>
    public Task<bool> DeleteAsync(ObjectName name, CancellationToken cancel) => Task.Run(
        () => Guard(name.ToString(), "delete", () => DeleteFile(PathOf(name))), cancel);

    /// <inheritdoc/>
    public Task<bool> QuarantineAsync(ObjectName name, CancellationToken cancel) => Task.Run(
        async () =>
        {
            try
            {
                return await MoveAsideAsync(name, cancel).ConfigureAwait(false);
            }
            catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
            {
                return false;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw Explain(e, name.ToString(), "put aside");
            }
        },
        cancel);

    /// <summary>A rename, whatever its length: there is no moment without the wrong content, and no room is needed for a second one.</summary>
    private async Task<bool> MoveAsideAsync(ObjectName name, CancellationToken cancel)
    {
        var from = PathOf(name);
        ContentHash? wrong;
        using (var content = File.OpenRead(from))
        {
            wrong = await Quarantine.FindWrongAsync(name, content, cancel).ConfigureAwait(false);
        }

        if (wrong is not { } hash) return false;
        var to = Path.Combine(_root, Quarantine.PathOf(name, hash));
        MakeFolder(Path.GetDirectoryName(to)!);
        TakeName(from, to);
        SyncFolder(Path.GetDirectoryName(to)!);
        SyncFolder(Path.GetDirectoryName(from)!);
        return true;
    }

    /// <summary>Writes a file that is no store object beside them, as durably as an object. An existing one keeps its first content.</summary>
    /// <param name="path">Relative to the store's folder, with slashes; never from outside.</param>
    /// <param name="content">All bytes.</param>
    /// <param name="cancel">Gives up; the outcome is then unknown.</param>
    /// <exception cref="VaultException">StoreFull, AccessDenied or StoreUnavailable.</exception>
    public Task<CreateOutcome> CreateBesideAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancel)
    {
        var full = Path.Combine(_root, path);
        return Task.Run(
            () => CreateAsync(full, path, file => Write(file, content), () =>
            {
                MakeFolder(Path.Combine(_root, TemporaryFolder));
                MakeFolder(Path.GetDirectoryName(full)!);
            }),
            cancel);
    }

    /// <summary>Reads a file that <see cref="CreateBesideAsync"/> wrote.</summary>
    /// <exception cref="VaultException">NotFound; LimitExceeded when it is longer than it may be.</exception>
    public Task<byte[]> ReadBesideAsync(string path, int bytesMax, CancellationToken cancel) =>
        Task.Run(() => Guard(path, "read", () => ReadWhole(Path.Combine(_root, path), path, bytesMax)), cancel);

    /// <summary>The files of a folder beside the objects, with the time they were last written; none when there is no such folder.</summary>
    /// <exception cref="VaultException">AccessDenied or StoreUnavailable.</exception>
    public Task<IReadOnlyList<(string Name, DateTimeOffset WrittenAt)>> ListBesideAsync(string folder, CancellationToken cancel) => Task.Run<IReadOnlyList<(string, DateTimeOffset)>>(
        () => Guard(folder, "list", () =>
        {
            var place = new DirectoryInfo(Path.Combine(_root, folder));
            return place.Exists ? place.EnumerateFiles().Select(f => (f.Name, (DateTimeOffset)f.LastWriteTimeUtc)).ToList() : [];
        }),
        cancel);

    /// <summary>Removes a file beside the objects. True when this call removed it.</summary>
    /// <exception cref="VaultException">AccessDenied or StoreUnavailable.</exception>
    public Task<bool> DeleteBesideAsync(string path, CancellationToken cancel) => Task.Run(() => Guard(path, "delete", () => DeleteFile(Path.Combine(_root, path))), cancel);

    /// <summary>When an object was written, by the file system's clock; null when there is none.</summary>
    public DateTimeOffset? WrittenAt(ObjectName name)
    {
        var file = new FileInfo(PathOf(name));
        return file.Exists ? file.LastWriteTimeUtc : null;
    }

    /// <summary>Removes temporary files last written before <paramref name="olderThan"/>: what crashed writers left.</summary>
    /// <returns>How many were removed.</returns>
    /// <exception cref="VaultException">AccessDenied or StoreUnavailable.</exception>
    public int RemoveTemporaryFiles(DateTimeOffset olderThan)
    {
        var folder = new DirectoryInfo(Path.Combine(_root, TemporaryFolder));
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

    private static Task Write(SafeFileHandle file, ReadOnlyMemory<byte> content)
    {
        RandomAccess.Write(file, content.Span, 0);
        RandomAccess.FlushToDisk(file);
        return Task.CompletedTask;
    }

    private async Task<CreateOutcome> CreateAsync(string path, string what, Func<SafeFileHandle, Task> write, Action ensureFolder)
    {
        var temporary = Path.Combine(_root, TemporaryFolder, $"{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16))}.part");
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
            if (e is IOException or UnauthorizedAccessException) throw Explain(e, what, "write");
            throw;
        }
    }

    private static CreateOutcome TakeName(string temporary, string path)
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

    private void EnsureFolder(ObjectName name)
    {
        var slot = ((int)name.Kind * 256) + (int)(name.Hash.Prefix >> 56);
        if (Volatile.Read(ref _foldersReady[slot])) return;
        MakeFolder(Path.Combine(_root, TemporaryFolder));
        MakeFolder(Path.GetDirectoryName(PathOf(name))!);
        Volatile.Write(ref _foldersReady[slot], true);
    }

    private static void MakeFolder(string path)
    {
        if (Directory.Exists(path)) return;
        var parent = Path.GetDirectoryName(path);
        if (parent is not null) MakeFolder(parent);
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(path);
        else Directory.CreateDirectory(path, FolderMode);
        if (parent is not null) SyncFolder(parent);
    }

    private static void SyncFolder(string path)
    {
        if (OperatingSystem.IsWindows()) return;
        var error = Libc.SyncFolder(path);
        if (error != 0) throw new IOException($"Syncing folder {path} failed with error {error}.", error);
    }

    /// <summary>The two-digit folders that exist: of a kind with few objects most of the 256 do not.</summary>
    private static List<string> ListPrefixes(string folder)
    {
        try
        {
            return [.. new DirectoryInfo(folder).EnumerateFileSystemInfos("??").Select(found => found.Name).Where(name => name.All(char.IsAsciiHexDigitLower)).Order(StringComparer.Ordinal)];
        }
        catch (DirectoryNotFoundException)
        {
            // Made at the first object of its kind.
            return [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Explain(e, null, "list");
        }
    }

    private static List<StoreObject> ListFolder(ObjectKind kind, string folder)
    {
        var found = new List<StoreObject>();
        try
        {
            foreach (var file in new DirectoryInfo(folder).EnumerateFiles())
            {
                if (ContentHash.TryParse(file.Name, out var hash) && file.FullName.AsSpan(folder.Length + 1, 2).SequenceEqual(Path.GetFileName(folder)))
                    found.Add(new StoreObject(new ObjectName(kind, hash), file.Length));
            }
        }
        catch (DirectoryNotFoundException)
        {
            // Folders are made at the first object: none means no objects.
        }
        catch (FileNotFoundException)
        {
            // Deleted between the listing and the look at its length: list the folder afresh.
            return ListFolder(kind, folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Explain(e, null, "list");
        }

        return found;
    }

    private static byte[] ReadWhole(string path, string name, int bytesMax)
    {
        using var file = File.OpenHandle(path);
        var length = RandomAccess.GetLength(file);
        if (length > bytesMax) throw new VaultException(VaultFault.LimitExceeded, $"{name} has {length} bytes, more than it may have.", "It was not written by this software; verify the vault.");
        var content = new byte[length];
        ReadFully(file, name, 0, content);
        return content;
    }

    private static bool DeleteFile(string path)
    {
        if (!File.Exists(path)) return false;
        File.Delete(path);
        SyncFolder(Path.GetDirectoryName(path)!);
        return true;
    }

    private static void ReadFully(SafeFileHandle file, string name, long offset, Span<byte> destination)
    {
        while (destination.Length > 0)
        {
            var count = RandomAccess.Read(file, destination, offset);
            if (count == 0) throw VaultException.Damaged(name, $"it ends at byte {offset}, before the range asked for does");
            destination = destination[count..];
            offset += count;
        }
    }

    private static T Guard<T>(string name, string verb, Func<T> action)
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

    private static VaultException Explain(Exception e, string? name, string verb)
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

    private string PathOf(ObjectName name) => Path.Combine(_root, name.ToString());
}
