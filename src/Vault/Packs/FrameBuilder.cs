using System.Runtime.InteropServices;
using Backup.Vault.Compression;
using Backup.Vault.Format;

namespace Backup.Vault.Packs;

/// <summary>
/// Gathers small chunks so that they are compressed together: files of one folder share their vocabulary, and one run of the compressor
/// over a mebibyte beats a hundred over ten kibibytes in both size and time. One thread at a time.
/// </summary>
internal sealed class FrameBuilder : IDisposable
{
    /// <summary>Plain bytes at which a frame is closed. Also what reading one small file costs at most, decompressed.</summary>
    internal const int BytesTarget = 1024 * 1024;
    private readonly PackWriter _packs;
    private readonly FrameCodec _codec = new();
    private readonly int _level;
    private byte[] _content = GC.AllocateUninitializedArray<byte>(BytesTarget / 16);
    private readonly List<ListedChunk> _chunks = [];
    private int _length;

    internal FrameBuilder(PackWriter packs, int level)
    {
        _packs = packs;
        _level = level;
    }

    internal void Add(ChunkId id, ReadOnlySpan<byte> data, int stride, int phase)
    {
        if (stride > 1 || data.Length >= BytesTarget / 2)
        {
            // Large or typed: a frame of its own, without the copy.
            var only = new ListedChunk(id, (uint)data.Length);
            _packs.Append(_codec.Encode(data, _level, stride, phase), MemoryMarshal.CreateReadOnlySpan(ref only, 1));
            return;
        }

        if (_length + data.Length > BytesTarget) Flush();
        if (_length + data.Length > _content.Length) Array.Resize(ref _content, Math.Min(BytesTarget, Math.Max(_length + data.Length, _content.Length * 4)));
        data.CopyTo(_content.AsSpan(_length));
        _length += data.Length;
        _chunks.Add(new ListedChunk(id, (uint)data.Length));
    }

    internal void Flush()
    {
        if (_chunks.Count == 0) return;
        _packs.Append(_codec.Encode(_content.AsSpan(0, _length), _level, 0, 0), CollectionsMarshal.AsSpan(_chunks));
        _chunks.Clear();
        _length = 0;
    }

    public void Dispose() => _codec.Dispose();
}
