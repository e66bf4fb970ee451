using System.Formats.Tar;
using System.Globalization;
using System.Text;
using Backup.Sources.Posix;
using Backup.Vault.Chunking;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres.Streaming;

/// <summary>
/// Stores a cluster's files as they come in tar archives, under the names and in the chunks that <see cref="ClusterReader"/> gives them: both kinds of
/// backups share what they store. One thread.
/// </summary>
internal sealed class ReceivedCluster(SnapshotWriter writer, ProblemList problems, TransferCounters counters)
{
    private const int SmallFileBytesMax = 1024 * 1024;

    private readonly SortedDictionary<string, TreeEntry> _segments = new(StringComparer.Ordinal);
    private readonly Dictionary<uint, ReceivedTree> _tablespaces = [];
    private readonly Dictionary<string, ReceivedFile> _received = new(StringComparer.Ordinal);

    internal ReceivedTree Data { get; } = new(new TreeEntry { Name = "data"u8.ToArray(), Type = EntryType.Directory, Mode = 0x1C0 });

    internal IReadOnlyDictionary<uint, ReceivedTree> Tablespaces => _tablespaces;

    /// <summary>Every file that came, the log apart, by its path in the cluster.</summary>
    internal IReadOnlyDictionary<string, ReceivedFile> Received => _received;

    /// <summary>backup_label; null until it has come.</summary>
    internal string? Label { get; private set; }

    internal string TablespaceMap { get; private set; } = "";

    /// <summary>Some relation had pages that do not fit their checksums.</summary>
    internal bool HasDamage { get; private set; }

    internal bool HasControlFile { get; private set; }

    /// <summary>Set when the backup has begun, before the first archive.</summary>
    internal required Func<(ServerFacts Server, Lsn Start, int PageChunkBytes)> Facts { get; init; }

    /// <exception cref="SourcesException">DataDamaged or ServerUnavailable: what came is no archive of a cluster.</exception>
    internal void Take(SentTablespace tablespace, Stream archive, CancellationToken cancel)
    {
        var (top, prefix) = (Data, "");
        if (tablespace.ObjectId is { } objectId)
        {
            _tablespaces.Add(objectId, top = new ReceivedTree(Data.Own with { Name = ByteText.Encode(objectId.ToString(CultureInfo.InvariantCulture)) }));
            prefix = string.Create(CultureInfo.InvariantCulture, $"{ClusterRules.TablespaceDirectory}/{objectId}/");
        }

        using var reader = new TarReader(archive, leaveOpen: true);
        while (reader.GetNextEntry() is { } entry)
        {
            cancel.ThrowIfCancellationRequested();
            var path = entry.Name.TrimEnd('/');
            if (path.StartsWith("./", StringComparison.Ordinal))
                path = path[2..];
            if (path.Split('/').Contains(".."))
                throw new InvalidDataException($"The server sends a file of the name {path}.");
            if (entry.EntryType == TarEntryType.Directory)
                top.Directory(path, path.Length == 0 ? null : ReceivedTree.Describe(entry, [], EntryType.Directory));
            else if (entry.EntryType is TarEntryType.RegularFile or TarEntryType.V7RegularFile)
                TakeFile(top, prefix + path, path, entry, cancel);
        }
    }

    /// <summary>The log from the backup's start to its end, all of it.</summary>
    /// <exception cref="SourcesException">WalMissing.</exception>
    internal IReadOnlyList<TreeEntry> Segments(ServerFacts server, Lsn start, Lsn stop) => [.. WalSegment.Range(server.Timeline, start, stop, server.WalSegmentBytes).Select(segment =>
        _segments.GetValueOrDefault(segment.FileName) ?? throw new SourcesException(
            SourcesFault.WalMissing, $"The server did not send the write-ahead log file {segment.FileName} that this backup needs.", "Raise wal_keep_size, or max_replication_slots so that a slot can be used, then run the backup again."))];

    private void TakeFile(ReceivedTree top, string path, string pathInArchive, TarEntry entry, CancellationToken cancel)
    {
        var slash = pathInArchive.LastIndexOf('/');
        var (folder, name) = (slash < 0 ? "" : pathInArchive[..slash], ByteText.Encode(pathInArchive[(slash + 1)..]));
        if (folder == ClusterRules.WalDirectory)
        {
            TakeSegment(entry, name, entry.DataStream ?? Stream.Null, cancel);
            return;
        }

        if (path.StartsWith(ClusterRules.WalDirectory + "/", StringComparison.Ordinal))
            return;
        using var content = new ChecksummedStream(entry.DataStream ?? Stream.Null);
        if (path is PostgresSource.LabelName or PostgresSource.MapName)
        {
            var text = Encoding.UTF8.GetString(ReadSmall(content, path));
            (Label, TablespaceMap) = path == PostgresSource.LabelName ? (text, TablespaceMap) : (Label, text);
        }
        else if (!ClusterRules.IsLeftOut(path, name))
        {
            RelationFileName? relation = path.LastIndexOf('/') is var end && end > 0 && ClusterRules.HoldsRelations(path[..end]) && RelationFileName.TryParse(name, out var parsed) ? parsed : null;
            var stored = path == ClusterListing.ControlFilePath ? StoreControlFile(content, cancel)
                : relation is { } known ? StorePages(content, path, known, entry.Length, cancel)
                : Store(content, entry.Length, cancel);
            counters.AddItem();
            top.Directory(folder).Add(ReceivedTree.Describe(entry, name, EntryType.File) with { Size = stored.Length, Content = stored });
        }

        content.CopyTo(Stream.Null);
        _received[path] = content.Received;
    }

    private Content StorePages(Stream content, string path, RelationFileName relation, long length, CancellationToken cancel)
    {
        var (server, start, pageChunkBytes) = Facts();
        using var pages = new ReceivedPages(content, relation.Segment * RelationFileName.SegmentBlocks, start, server.HasChecksums, counters);
        var stored = writer.AddContent(pages, ContentHints.PagesOfWords(pageChunkBytes, length), cancel);
        if (pages.DamagedBlocks.Count > 0)
        {
            HasDamage = true;
            DamagedPages.Report(problems, path, pages.DamagedBlocks);
        }

        return stored;
    }

    private Content StoreControlFile(Stream content, CancellationToken cancel)
    {
        var bytes = ReadSmall(content, ClusterListing.ControlFilePath);
        if (!ControlFile.IsWhole(bytes))
            throw new SourcesException(SourcesFault.DataDamaged, "The server sent a global/pg_control that does not fit its checksum.", "Run the backup again; if it stays so, check the server with pg_controldata.");
        HasControlFile = true;
        return Store(new MemoryStream(bytes), bytes.Length, cancel);
    }

    /// <summary>Finished files only come whole; the directory's own files of marks are not wanted.</summary>
    private void TakeSegment(TarEntry entry, byte[] name, Stream content, CancellationToken cancel)
    {
        var (server, _, _) = Facts();
        var fileName = ByteText.Display(name);
        if (WalSegment.Parse(fileName, server.WalSegmentBytes) is not { } segment)
            return;
        using var stream = new ReceivedSegment(content, segment, server.SystemIdentifier, counters);
        var stored = writer.AddContent(stream, new ContentHints { LengthExpected = entry.Length }, cancel);
        if (stream.Problem is not null || stored.Length != server.WalSegmentBytes)
            throw new SourcesException(SourcesFault.WalMissing, $"The write-ahead log file {fileName} that the server sent is not what its name says{(stream.Problem is { } why ? $": {why}" : "")}.", "Run the backup again.");
        counters.AddItem();
        _segments[fileName] = ReceivedTree.Describe(entry, name, EntryType.File) with { Mode = PrivateFile.Mode, Size = stored.Length, Content = stored };
    }

    private Content Store(Stream content, long length, CancellationToken cancel)
    {
        var stored = writer.AddContent(content, new ContentHints { LengthExpected = length }, cancel);
        counters.AddBytes(stored.Length);
        return stored;
    }

    private static byte[] ReadSmall(Stream content, string path)
    {
        if (content.Length > SmallFileBytesMax)
            throw new InvalidDataException($"The server sends a {path} of {content.Length} bytes.");
        using var copy = new MemoryStream();
        content.CopyTo(copy);
        return copy.ToArray();
    }
}
