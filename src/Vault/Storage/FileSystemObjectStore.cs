using System.Runtime.CompilerServices;
using Microsoft.Win32.SafeHandles;

namespace Backup.Vault.Storage;

/// <summary>
/// A store in a folder of a local or mounted file system (POSIX; Windows works without folder syncs and is not tested).
/// </summary>
/// <remarks>What makes a create durable is said at <see cref="DurableFiles"/>. Temporary files of dead processes are removed by <see cref="RemoveTemporaryFiles"/>.</remarks>
public sealed class FileSystemObjectStore : IObjectStore, IQuarantine
{
    private readonly string _root;
    private readonly DurableFiles _files;
    private readonly bool[] _foldersReady = new bool[16 * 256];

    /// <summary>Uses a folder, which is created at the first write if it does not exist.</summary>
    /// <param name="root">Absolute or relative path.</param>
    public FileSystemObjectStore(string root)
    {
        ArgumentException.ThrowIfNullOrEmpty(root);
        _root = Path.GetFullPath(root);
        _files = new DurableFiles(_root);
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
        return Task.Run(() => _files.CreateAsync(PathOf(name), name.ToString(), file => DurableFiles.Write(file, content), () => EnsureFolder(name)), cancel);
    }

    /// <inheritdoc/>
    public Task<CreateOutcome> CreateAsync(ObjectName name, Stream content, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(content);
        return Task.Run(() => _files.CreateAsync(PathOf(name), name.ToString(), WriteAsync, () => EnsureFolder(name)), cancel);

        async Task WriteAsync(SafeFileHandle file)
        {
            await using var stream = new FileStream(file, FileAccess.Write, bufferSize: 0);
            await content.CopyToAsync(stream, cancel).ConfigureAwait(false);
            RandomAccess.FlushToDisk(file);
        }
    }

    /// <inheritdoc/>
    public Task<byte[]> ReadAsync(ObjectName name, CancellationToken cancel) => Task.Run(
        () => DurableFiles.Guard(name.ToString(), "read", () => DurableFiles.ReadWhole(PathOf(name), name.ToString(), IObjectStore.ObjectBytesMax)),
        cancel);

    /// <inheritdoc/>
    public Task ReadRangeAsync(ObjectName name, long offset, Memory<byte> destination, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        return Task.Run(
            () => DurableFiles.Guard(name.ToString(), "read", () =>
            {
                using var file = File.OpenHandle(PathOf(name));
                DurableFiles.ReadFully(file, name.ToString(), offset, destination.Span);
                return true;
            }),
            cancel);
    }

    /// <inheritdoc/>
    public Task<long?> FindLengthAsync(ObjectName name, CancellationToken cancel) => Task.Run(
        () => DurableFiles.Guard(name.ToString(), "inspect", () =>
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
        () => DurableFiles.Guard(name.ToString(), "delete", () => DurableFiles.Delete(PathOf(name))), cancel);

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
                throw DurableFiles.Explain(e, name.ToString(), "put aside");
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
        DurableFiles.MakeFolder(Path.GetDirectoryName(to)!);
        DurableFiles.TakeName(from, to);
        DurableFiles.SyncFolder(Path.GetDirectoryName(to)!);
        DurableFiles.SyncFolder(Path.GetDirectoryName(from)!);
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
            () => _files.CreateAsync(full, path, file => DurableFiles.Write(file, content), () => _files.MakeFoldersFor(full)),
            cancel);
    }

    /// <summary>Reads a file that <see cref="CreateBesideAsync"/> wrote.</summary>
    /// <exception cref="VaultException">NotFound; LimitExceeded when it is longer than it may be.</exception>
    public Task<byte[]> ReadBesideAsync(string path, int bytesMax, CancellationToken cancel) =>
        Task.Run(() => DurableFiles.Guard(path, "read", () => DurableFiles.ReadWhole(Path.Combine(_root, path), path, bytesMax)), cancel);

    /// <summary>The files of a folder beside the objects, with the time they were last written; none when there is no such folder.</summary>
    /// <exception cref="VaultException">AccessDenied or StoreUnavailable.</exception>
    public Task<IReadOnlyList<(string Name, DateTimeOffset WrittenAt)>> ListBesideAsync(string folder, CancellationToken cancel) => Task.Run<IReadOnlyList<(string, DateTimeOffset)>>(
        () => DurableFiles.Guard(folder, "list", () =>
        {
            var place = new DirectoryInfo(Path.Combine(_root, folder));
            return place.Exists ? place.EnumerateFiles().Select(f => (f.Name, (DateTimeOffset)f.LastWriteTimeUtc)).ToList() : [];
        }),
        cancel);

    /// <summary>Removes a file beside the objects. True when this call removed it.</summary>
    /// <exception cref="VaultException">AccessDenied or StoreUnavailable.</exception>
    public Task<bool> DeleteBesideAsync(string path, CancellationToken cancel) => Task.Run(() => DurableFiles.Guard(path, "delete", () => DurableFiles.Delete(Path.Combine(_root, path))), cancel);

    /// <summary>When an object was written, by the file system's clock; null when there is none.</summary>
    public DateTimeOffset? WrittenAt(ObjectName name)
    {
        var file = new FileInfo(PathOf(name));
        return file.Exists ? file.LastWriteTimeUtc : null;
    }

    /// <summary>Removes temporary files last written before <paramref name="olderThan"/>: what crashed writers left.</summary>
    /// <returns>How many were removed.</returns>
    /// <exception cref="VaultException">AccessDenied or StoreUnavailable.</exception>
    public int RemoveTemporaryFiles(DateTimeOffset olderThan) => _files.RemoveTemporary(olderThan);

    private void EnsureFolder(ObjectName name)
    {
        var slot = ((int)name.Kind * 256) + (int)(name.Hash.Prefix >> 56);
        if (Volatile.Read(ref _foldersReady[slot])) return;
        _files.MakeFoldersFor(PathOf(name));
        Volatile.Write(ref _foldersReady[slot], true);
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
            throw DurableFiles.Explain(e, null, "list");
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
            throw DurableFiles.Explain(e, null, "list");
        }

        return found;
    }

    private string PathOf(ObjectName name) => Path.Combine(_root, name.ToString());
}
