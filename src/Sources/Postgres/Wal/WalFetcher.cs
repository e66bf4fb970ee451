using Backup.Vault;
using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres.Wal;

/// <summary>Brings files of log back for PostgreSQL's restore_command.</summary>
public static class WalFetcher
{
    /// <summary>Files fetched ahead unless told otherwise: opening a vault costs more than reading some files from it.</summary>
    public const int PrefetchDefault = 8;

    private const int Workers = 4;

    /// <summary>Takes a file that an earlier call fetched ahead. Needs no vault.</summary>
    /// <param name="name">What PostgreSQL asks for.</param>
    /// <param name="target">Where it wants it.</param>
    /// <param name="prefetchFolder">Where files wait.</param>
    /// <returns>False when it is not there.</returns>
    public static bool TryTakePrefetched(string name, string target, string prefetchFolder)
    {
        if (!WalFileName.TryParse(name, out _))
            return false;
        var waiting = Path.Combine(prefetchFolder, name);
        if (!File.Exists(waiting))
            return false;
        File.Move(waiting, target, overwrite: true);
        return true;
    }

    /// <summary>Fetches a file, and the whole files of log after it into the prefetch folder.</summary>
    /// <param name="vault">Opened with a restore key.</param>
    /// <param name="asset">The cluster's asset name.</param>
    /// <param name="name">What PostgreSQL asks for: a file of log, of which only the beginning may be there (the rest is then zeros, which recovery takes for the end), or a history file.</param>
    /// <param name="target">Where to; replaced when it exists. Never seen half written.</param>
    /// <param name="prefetchFolder">Where files wait; null to fetch none ahead.</param>
    /// <param name="prefetch">How many; 0 to 64.</param>
    /// <param name="cancel">Gives up; the target is then as it was.</param>
    /// <exception cref="SourcesException">WalNotHeld; or the target cannot be written.</exception>
    /// <exception cref="VaultException">The vault cannot be read: that says nothing about whether it holds the file.</exception>
    public static async Task GetAsync(OpenVault vault, string asset, string name, string target, string? prefetchFolder, int prefetch, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(vault);
        ArgumentOutOfRangeException.ThrowIfLessThan(prefetch, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(prefetch, 64);
        if (!WalFileName.TryParse(name, out var wanted))
            throw WalSource.NotHeld(name);
        var holdings = await WalHoldings.LoadAsync(vault, asset, cancel);
        var segment = holdings.Latest is { } latest && wanted.Kind == WalFileKind.Segment ? WalSegment.Parse(name, latest.SegmentBytes) : null;
        var held = (segment is { } asked ? holdings.FindSegment(asked) : holdings.Find(name)) ?? throw WalSource.NotHeld(name);
        using var reader = await vault.OpenReaderAsync(cancel);
        var source = new WalSource(reader, holdings);
        using var files = new FileSet();
        if (segment is { } place && held.File.Bytes < place.SegmentBytes)
            await AddBeginningAsync(files, source, place, target, cancel);
        else
            files.Add(await source.FindAsync(held, cancel), target, held.File.Bytes, held.File.Bytes);
        if (segment is { } first && prefetchFolder is not null && held.File.Bytes == first.SegmentBytes)
        {
            Directory.CreateDirectory(prefetchFolder);
            for (var next = first.Next; next.Number <= first.Number + (ulong)prefetch && holdings.Find(next.FileName) is { } ahead; next = next.Next)
            {
                if (!File.Exists(Path.Combine(prefetchFolder, next.FileName)))
                    files.Add(await source.FindAsync(ahead, cancel), Path.Combine(prefetchFolder, next.FileName), next.SegmentBytes, next.SegmentBytes);
            }
        }

        await reader.FetchAsync(files.Wanted, files, Workers, cancel);
        files.Finish();
    }

    /// <summary>
    /// A file that is not complete yet. Right after a timeline began less of it may be held than of the older timeline's file, which begins
    /// with the same bytes: the server would take the younger one for the end of the log.
    /// </summary>
    private static async Task AddBeginningAsync(FileSet files, WalSource source, WalSegment place, string target, CancellationToken cancel)
    {
        var path = await TimelinePath.OfAsync(source, place.Timeline, cancel);
        var (file, end) = source.FindLongest(path, place);
        var content = await source.FindAsync(source.Holdings.FindSegment(file!.Value)!, cancel);
        files.Add(content, target, (long)(end.Value - place.Start.Value), place.SegmentBytes);
    }

    /// <summary>Files being written under temporary names.</summary>
    private sealed class FileSet : IChunkSink, IDisposable
    {
        private readonly List<ContentPart> _wanted = [];
        private readonly List<(int File, long Offset)> _places = [];
        private readonly List<(FileStream Stream, string Target, long Bytes, long Length)> _files = [];
        private VaultException? _failure;
        private bool _isFinished;

        internal IReadOnlyList<ContentPart> Wanted => _wanted;

        /// <param name="content">What goes in.</param>
        /// <param name="target">The file's name in the end.</param>
        /// <param name="bytes">How much of the content counts.</param>
        /// <param name="length">The file's length; what is beyond the content is zeros.</param>
        internal void Add(Content content, string target, long bytes, long length)
        {
            // In the target's folder, so that the rename is one step; the process id keeps two calls apart.
            var stream = new FileStream($"{target}.{Environment.ProcessId}.part", FileMode.Create, FileAccess.Write, FileShare.None);
            long offset = 0;
            foreach (var part in content.Parts)
            {
                _wanted.Add(part);
                _places.Add((_files.Count, offset));
                offset += part.Length;
            }

            _files.Add((stream, target, bytes, length));
        }

        public void Deliver(int want, int count, ReadOnlySpan<byte> data)
        {
            for (var end = want + count; want < end; want++)
            {
                var (file, offset) = _places[want];
                var length = (int)_wanted[want].Length;
                RandomAccess.Write(_files[file].Stream.SafeFileHandle, data[..length], offset);
                data = data[length..];
            }
        }

        public void Fail(int want, VaultException why) => Interlocked.CompareExchange(ref _failure, why, null);

        internal void Finish()
        {
            if (_failure is not null)
                throw _failure;
            // The one that was asked for comes last: when it is there, all is done.
            for (var i = _files.Count - 1; i >= 0; i--)
            {
                var (stream, target, bytes, length) = _files[i];
                stream.SetLength(bytes);
                stream.SetLength(length);
                stream.Flush(flushToDisk: true);
                stream.Dispose();
                File.Move(stream.Name, target, overwrite: true);
            }

            _isFinished = true;
        }

        public void Dispose()
        {
            if (_isFinished)
                return;
            foreach (var (stream, _, _, _) in _files)
            {
                stream.Dispose();
                File.Delete(stream.Name);
            }
        }
    }
}
