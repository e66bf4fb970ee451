using System.Collections.Immutable;
using Backup.Vault.Chunking;
using Backup.Vault.Encryption;
using Backup.Vault.Format;
using Backup.Vault.Indexing;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;

namespace Backup.Vault.Restoring;

/// <summary>Reads trees and contents of one vault as its index was when the reader was opened. Thread-safe. Needs a restore key.</summary>
public sealed class VaultReader : IDisposable
{
    private readonly MetaReader _meta;
    private readonly ChunkFetcher _fetcher;
    private readonly byte[] _dataIdKey;

    internal VaultReader(IObjectStore store, VaultSecrets secrets, ChunkIndex index)
    {
        var decryptor = new PackDecryptor(secrets);
        _meta = new MetaReader(store, index, decryptor);
        _dataIdKey = secrets.DataIdKey;
        _fetcher = new ChunkFetcher(store, index, decryptor, secrets.DataIdKey);
    }

    /// <summary>The entries of a directory, in byte order of their names.</summary>
    /// <exception cref="VaultException">NotFound or Damaged.</exception>
    public async Task<IReadOnlyList<TreeEntry>> ReadTreeAsync(TreeId tree, CancellationToken cancel)
    {
        var what = $"Tree {tree}";
        var node = await _meta.ReadAsync(tree.Chunk, cancel).ConfigureAwait(false);
        if (node.Length > 0 && node.Span[0] == TreeDocument.LeafMark) return TreeDocument.ReadLeaf(node.Span, what);
        var entries = new List<TreeEntry>();
        foreach (var leaf in TreeDocument.ReadBranch(node.Span, what))
        {
            var part = TreeDocument.ReadLeaf((await _meta.ReadAsync(leaf, cancel).ConfigureAwait(false)).Span, what);
            if (entries.Count > 0 && part.Count > 0 && entries[^1].Name.Span.SequenceCompareTo(part[0].Name.Span) >= 0) throw VaultException.Damaged(what, "its leaves are not in order");
            entries.AddRange(part);
        }

        return entries;
    }

    /// <summary>The content with all its data chunks listed. Large files' part lists are stored apart and read here; others are returned as they are.</summary>
    /// <exception cref="VaultException">NotFound or Damaged.</exception>
    public async Task<Content> ExpandAsync(Content content, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(content);
        while (content.Depth > 0) content = await ExpandOnceAsync(content, cancel).ConfigureAwait(false);
        return content;
    }

    /// <summary>Replaces lists by what they list, one level.</summary>
    private async Task<Content> ExpandOnceAsync(Content content, CancellationToken cancel)
    {
        var parts = ImmutableArray.CreateBuilder<ContentPart>();
        foreach (var list in content.Parts)
        {
            AddList(parts, (await _meta.ReadAsync(list.Id, cancel).ConfigureAwait(false)).Span, list, content.Depth);
            if (parts.Count > Content.PartsMax) throw VaultException.Damaged($"List {list.Id}", "the content has more parts than any file may");
        }

        return new Content(content.Length, content.Depth - 1, parts.ToImmutable());
    }

    /// <summary>A content as a seekable, read-only stream; it reads ahead one chunk at a time. For whole trees use <see cref="FetchAsync"/>.</summary>
    public async Task<Stream> OpenContentAsync(Content content, CancellationToken cancel) =>
        new ContentStream(this, await ExpandAsync(content, cancel).ConfigureAwait(false));

    /// <summary>Reads many chunks: each pack is visited once, in order, each frame decoded once, and everything verified.</summary>
    /// <param name="wanted">Parts of expanded contents, in any order, repeats allowed. Some tens of thousands at a time keep memory small.</param>
    /// <param name="sink">Takes them; an exception it throws ends the fetch.</param>
    /// <param name="parallelism">Threads, 1 to 64.</param>
    /// <param name="cancel">Gives up.</param>
    /// <returns>Bytes read from the store: whole compressed frames, and short gaps between them.</returns>
    public Task<long> FetchAsync(IReadOnlyList<ContentPart> wanted, IChunkSink sink, int parallelism, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(wanted);
        ArgumentNullException.ThrowIfNull(sink);
        ArgumentOutOfRangeException.ThrowIfLessThan(parallelism, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(parallelism, 64);
        return _fetcher.FetchAsync(wanted, sink, parallelism, cancel);
    }

    /// <summary>The bytes that <see cref="FetchAsync"/> would read from the store, without reading them; parts in no index are reported to the sink.</summary>
    public long MeasureFetch(IReadOnlyList<ContentPart> wanted, IChunkSink sink)
    {
        ArgumentNullException.ThrowIfNull(wanted);
        ArgumentNullException.ThrowIfNull(sink);
        return _fetcher.Measure(wanted, sink);
    }

    /// <summary>The packs that hold these parts of expanded contents, each time one is entered; parts in no index are passed over.</summary>
    public IEnumerable<ObjectName> PacksOf(IReadOnlyList<ContentPart> parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        return _fetcher.PacksOf(parts);
    }

    /// <summary>The id that these bytes have as a chunk of content: equal ids mean equal bytes, so what is on disk already need not be fetched.</summary>
    public ChunkId Identify(ReadOnlySpan<byte> data) => ChunkHasher.IdOf(_dataIdKey, data);

    /// <summary>Releases buffers and native contexts.</summary>
    public void Dispose()
    {
        _meta.Dispose();
        _fetcher.Dispose();
    }

    private static void AddList(ImmutableArray<ContentPart>.Builder parts, ReadOnlySpan<byte> node, ContentPart list, int depth)
    {
        var read = TreeDocument.ReadList(node, depth, list.Length, $"List {list.Id}");
        while (read.MoveNext()) parts.Add(read.Current);
    }
}
