using System.Runtime.InteropServices;
using Backup.Vault.Compression;
using Backup.Vault.Format;

namespace Backup.Vault.Packs;

/// <summary>
/// Gathers small chunks so that they are compressed together: files of one folder share their vocabulary, pages of one table their layout, and
/// one run of the compressor over a mebibyte beats a hundred over ten kibibytes in both size and time. One thread at a time.
/// </summary>
internal sealed class FrameBuilder : IDisposable
{
    /// <summary>Plain bytes at which a frame is closed. Also what reading one small chunk costs at most, decompressed.</summary>
    internal const int BytesTarget = 1024 * 1024;
    private readonly PackWriter _packs;
    private readonly FrameCodec _codec = new();
    private readonly int _level;

    // Two, so that a folder of small tables and notes does not close a frame at every change from one to the other.
    private readonly OpenFrame _plain = new(), _typed = new();

    internal FrameBuilder(PackWriter packs, int level)
    {
        _packs = packs;
        _level = level;
    }

    internal void Add(ChunkId id, ReadOnlySpan<byte> data, int stride, int phase)
    {
        var isTyped = stride > 1;
        if (data.Length >= BytesTarget / 2 || (isTyped && (phase != 0 || data.Length % stride != 0)))
        {
            // Large, or with elements that would not go on in the next chunk: a frame of its own, without the copy.
            var only = new ListedChunk(id, (uint)data.Length);
            _packs.Append(_codec.Encode(data, _level, stride, phase), MemoryMarshal.CreateReadOnlySpan(ref only, 1));
            return;
        }

        var frame = isTyped ? _typed : _plain;
        if (!frame.Takes(data.Length, stride)) Flush(frame);
        frame.Add(id, data, stride);
    }

    internal void Flush()
    {
        Flush(_plain);
        Flush(_typed);
    }

    public void Dispose() => _codec.Dispose();

    private void Flush(OpenFrame frame)
    {
        if (frame.Chunks.IsEmpty) return;
        _packs.Append(_codec.Encode(frame.Content, _level, frame.Stride, 0), frame.Chunks);
        frame.Clear();
    }

    /// <summary>Chunks of one stride, one after another.</summary>
    private sealed class OpenFrame
    {
        private readonly List<ListedChunk> _chunks = [];
        private byte[] _content = [];
        private int _length;

        internal int Stride { get; private set; }

        internal ReadOnlySpan<byte> Content => _content.AsSpan(0, _length);

        internal ReadOnlySpan<ListedChunk> Chunks => CollectionsMarshal.AsSpan(_chunks);

        internal bool Takes(int bytes, int stride) => _length == 0 || (_length + bytes <= BytesTarget && stride == Stride);

        internal void Add(ChunkId id, ReadOnlySpan<byte> data, int stride)
        {
            Stride = stride;
            // Grows as it fills: most backups change little and need no mebibyte per thread.
            if (_length + data.Length > _content.Length) Array.Resize(ref _content, Math.Min(BytesTarget, Math.Max(Math.Max(_length + data.Length, BytesTarget / 16), _content.Length * 4)));
            data.CopyTo(_content.AsSpan(_length));
            _length += data.Length;
            _chunks.Add(new ListedChunk(id, (uint)data.Length));
        }

        internal void Clear()
        {
            _chunks.Clear();
            _length = 0;
        }
    }
}
