using System.Runtime.InteropServices;
using Backup.Vault.Compression;
using Backup.Vault.Format;

namespace Backup.Vault.Packs;

/// <summary>
/// Gathers chunks so that they are compressed together: files of one folder share their vocabulary, and one run of the compressor
/// over two mebibytes beats hundreds over ten kibibytes in both size and time. Typed chunks are gathered apart, as long as each goes on
/// in the element grid of those before it. One thread at a time.
/// </summary>
internal sealed class FrameBuilder : IDisposable
{
    /// <summary>Plain bytes at which a frame of content is closed. Also what reading one small file costs at most, decompressed.</summary>
    internal const int ContentBytesTarget = 2 * 1024 * 1024;

    /// <summary>The same for trees and lists, which are read one by one more often than content.</summary>
    internal const int MetaBytesTarget = 1024 * 1024;
    private readonly PackWriter _packs;
    private readonly FrameCodec _codec = new();
    private readonly int _level;
    private readonly Gathered _plain, _typed;

    internal FrameBuilder(PackWriter packs, int level, int bytesTarget, int typedBytesTarget)
    {
        _packs = packs;
        _level = level;
        _plain = new Gathered(bytesTarget);
        _typed = new Gathered(typedBytesTarget);
    }

    /// <param name="id">The chunk.</param>
    /// <param name="data">Its bytes.</param>
    /// <param name="stride">Length of its elements, or 0 when it is not typed.</param>
    /// <param name="phase">Bytes before its first whole element.</param>
    internal void Add(ChunkId id, ReadOnlySpan<byte> data, int stride, int phase)
    {
        var gathered = stride > 1 ? _typed : _plain;
        if (gathered.Length + data.Length > gathered.BytesTarget || !gathered.IsContinuedBy(stride, phase)) Close(gathered);
        if (gathered.Length == 0)
        {
            if (data.Length >= gathered.BytesTarget / 2)
            {
                // Large: a frame of its own, without the copy.
                var only = new ListedChunk(id, (uint)data.Length);
                _packs.Append(_codec.Encode(data, _level, stride, phase), MemoryMarshal.CreateReadOnlySpan(ref only, 1));
                return;
            }

            (gathered.Stride, gathered.Phase) = (stride, phase);
        }

        gathered.Add(id, data);
    }

    internal void Flush()
    {
        Close(_plain);
        Close(_typed);
    }

    public void Dispose() => _codec.Dispose();

    private void Close(Gathered gathered)
    {
        if (gathered.Chunks.Count == 0) return;
        _packs.Append(_codec.Encode(gathered.Content, _level, gathered.Stride, gathered.Phase), CollectionsMarshal.AsSpan(gathered.Chunks));
        gathered.Clear();
    }

    /// <summary>A frame that is still open.</summary>
    private sealed class Gathered(int bytesTarget)
    {
        internal int BytesTarget => bytesTarget;

        private byte[] _content = [];

        internal List<ListedChunk> Chunks { get; } = [];

        internal int Length { get; private set; }

        internal int Stride { get; set; }

        internal int Phase { get; set; }

        internal ReadOnlySpan<byte> Content => _content.AsSpan(0, Length);

        /// <summary>Whether elements of this stride whose first begins after <paramref name="phase"/> bytes stand in the grid of those that are here.</summary>
        internal bool IsContinuedBy(int stride, int phase) => Length == 0 || (stride == Stride && (stride <= 1 || (Length + phase - Phase) % stride == 0));

        internal void Add(ChunkId id, ReadOnlySpan<byte> data)
        {
            // At its full size at once: what is never written to takes no memory.
            if (_content.Length == 0) _content = GC.AllocateUninitializedArray<byte>(bytesTarget);
            data.CopyTo(_content.AsSpan(Length));
            Length += data.Length;
            Chunks.Add(new ListedChunk(id, (uint)data.Length));
        }

        internal void Clear()
        {
            Chunks.Clear();
            Length = 0;
        }
    }
}
