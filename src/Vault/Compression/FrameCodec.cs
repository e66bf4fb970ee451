using System.Buffers.Binary;
using Backup.Vault.Format;

namespace Backup.Vault.Compression;

/// <summary>
/// Turns a frame's plain content into what is encrypted, and back. Layout: method (1) ‖ stride (2) ‖ phase (2) ‖ content length (4) ‖ body.
/// Not thread-safe: it owns a zstd context and scratch buffers.
/// </summary>
internal sealed class FrameCodec : IDisposable
{
    internal const int HeaderBytes = 9;
    private const byte Raw = 0, Zstd = 1;
    private const int BufferBytesMin = 2 * 1024 * 1024;
    private const int TrialBytesMin = 64 * 1024, TrialBytesMax = 256 * 1024;

    /// <summary>A plane this long repays a Huffman table of its own; zstd cuts blocks without regard to where one kind of byte ends.</summary>
    private const int PlaneBytesMin = 1024;
    private readonly ZstdCodec _zstd;
    private byte[] _encoded = [], _scratch = [];

    internal FrameCodec()
        : this(ZstdCodec.New())
    {
    }

    internal FrameCodec(ZstdCodec zstd) => _zstd = zstd;

    /// <summary>Encodes; the result is valid until the next call.</summary>
    /// <param name="content">Up to <see cref="FrameDirectory.FrameBytesMax"/> bytes.</param>
    /// <param name="level">zstd level; 0 stores raw.</param>
    /// <param name="stride">Element length for the shuffle filter, or 0 for none. Used only where a trial shows that it shrinks the result.</param>
    /// <param name="phase">Bytes before the first whole element.</param>
    internal ReadOnlySpan<byte> Encode(ReadOnlySpan<byte> content, int level, int stride, int phase)
    {
        Reserve(ref _encoded, content.Length + HeaderBytes);
        // Compression must save at least 1/64, or reading it back raw is the better bargain.
        var room = content.Length - (content.Length / 64);
        var length = 0;
        if (stride > 1 && level > 0 && phase + (2 * stride) <= content.Length && ShuffleHelps(content, level, stride, phase))
        {
            Reserve(ref _scratch, content.Length);
            ByteTransposition.Shuffle(content, _scratch.AsSpan(0, content.Length), stride, phase);
            content = _scratch.AsSpan(0, content.Length);
            length = CompressPlanes(content, _encoded.AsSpan(HeaderBytes, room), level, stride, phase);
        }
        else
        {
            stride = phase = 0;
            if (level > 0 && !Compressibility.LooksIncompressible(content)) length = _zstd.Compress(content, _encoded.AsSpan(HeaderBytes, room), level);
        }

        var method = length > 0 ? Zstd : Raw;
        if (method == Raw)
        {
            content.CopyTo(_encoded.AsSpan(HeaderBytes));
            length = content.Length;
        }

        _encoded[0] = method;
        BinaryPrimitives.WriteUInt16LittleEndian(_encoded.AsSpan(1), (ushort)stride);
        BinaryPrimitives.WriteUInt16LittleEndian(_encoded.AsSpan(3), (ushort)phase);
        BinaryPrimitives.WriteUInt32LittleEndian(_encoded.AsSpan(5), (uint)content.Length);
        return _encoded.AsSpan(0, HeaderBytes + length);
    }

    /// <summary>Element length and phase of what <see cref="Decode"/> decoded last; stride 0 when it was not shuffled.</summary>
    internal (int Stride, int Phase) DecodedShape { get; private set; }

    /// <summary>Decodes; the result is valid until the next call.</summary>
    /// <exception cref="VaultException">Damaged.</exception>
    internal ReadOnlyMemory<byte> Decode(ReadOnlySpan<byte> encoded, string what)
    {
        if (encoded.Length < HeaderBytes) throw VaultException.Damaged(what, "a frame is too short");
        var method = encoded[0];
        var stride = BinaryPrimitives.ReadUInt16LittleEndian(encoded[1..]);
        var phase = BinaryPrimitives.ReadUInt16LittleEndian(encoded[3..]);
        var length = BinaryPrimitives.ReadUInt32LittleEndian(encoded[5..]);
        if (length > FrameDirectory.FrameBytesMax || method > Zstd || stride == 1 || phase > length) throw VaultException.Damaged(what, "a frame's header makes no sense");
        DecodedShape = (stride, phase);
        var body = encoded[HeaderBytes..];
        Reserve(ref _encoded, (int)length);
        var content = _encoded.AsMemory(0, (int)length);
        if (method == Raw)
        {
            if (body.Length != length) throw VaultException.Damaged(what, "a raw frame has another length than it says");
            body.CopyTo(content.Span);
        }
        else if (!_zstd.TryDecompress(body, content.Span))
        {
            throw VaultException.Damaged(what, "a frame does not decompress");
        }

        if (stride == 0) return content;
        Reserve(ref _scratch, (int)length);
        ByteTransposition.Unshuffle(content.Span, _scratch.AsSpan(0, (int)length), stride, phase);
        return _scratch.AsMemory(0, (int)length);
    }

    /// <inheritdoc/>
    public void Dispose() => _zstd.Dispose();

    /// <summary>Compresses shuffled content, each plane as a zstd frame of its own where planes are long enough. Answers 0 when the result does not fit.</summary>
    private int CompressPlanes(ReadOnlySpan<byte> shuffled, Span<byte> destination, int level, int stride, int phase)
    {
        var planeBytes = (shuffled.Length - phase) / stride;
        if (planeBytes < PlaneBytesMin) return _zstd.Compress(shuffled, destination, level);
        int from = 0, written = 0;
        for (var plane = 0; plane < stride; plane++)
        {
            // What is no whole element goes with the first and the last plane.
            var to = plane == stride - 1 ? shuffled.Length : phase + ((plane + 1) * planeBytes);
            var count = _zstd.Compress(shuffled[from..to], destination[written..], level);
            if (count == 0) return 0;
            written += count;
            from = to;
        }

        return written;
    }

    private bool ShuffleHelps(ReadOnlySpan<byte> content, int level, int stride, int phase)
    {
        // The trial covers whole elements from the first on, enough of them that planes are judged as they will be compressed.
        var sample = content[phase..];
        var wanted = Math.Max(Math.Clamp(PlaneBytesMin * stride, TrialBytesMin, TrialBytesMax), 8 * stride);
        if (sample.Length > wanted) sample = sample[..wanted];
        Reserve(ref _scratch, sample.Length);
        var room = sample.Length + (sample.Length / 128) + 256;
        Reserve(ref _encoded, room);
        var plain = _zstd.Compress(sample, _encoded.AsSpan(0, room), level);
        ByteTransposition.Shuffle(sample, _scratch.AsSpan(0, sample.Length), stride, 0);
        var shuffled = CompressPlanes(_scratch.AsSpan(0, sample.Length), _encoded.AsSpan(0, room), level, stride, 0);
        return shuffled > 0 && shuffled < plain - (plain / 32);
    }

    /// <summary>Makes room for a frame's bytes; what the buffer held is lost. Of one that is larger than need be only the used pages take memory; growing step by step would leave garbage behind.</summary>
    internal static void Reserve(ref byte[] buffer, int length)
    {
        if (buffer.Length < length) buffer = GC.AllocateUninitializedArray<byte>((int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(length, BufferBytesMin)));
    }
}
