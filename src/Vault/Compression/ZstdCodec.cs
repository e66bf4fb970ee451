namespace Backup.Vault.Compression;

/// <summary>A zstd compressor and decompressor for one thread at a time. Both implementations read what the other writes.</summary>
internal abstract class ZstdCodec : IDisposable
{
    /// <summary>Which implementation new codecs use: for statistics and messages.</summary>
    internal static string Implementation => NativeZstd.IsAvailable ? "native libzstd" : "managed";

    /// <summary>The native library where it is installed, else the managed port (about a fifth slower).</summary>
    internal static ZstdCodec New() => NativeZstd.IsAvailable ? new NativeZstd() : new ManagedZstd();

    /// <summary>
    /// Level 1 with a table of matches twice the usual and a window that covers a frame: on frames of 2 MiB of an operating-system tree 3 %
    /// smaller than the level's own choice on 1 MiB, in the same time. 0 leaves the level's own choice.
    /// </summary>
    private protected static (int WindowLog, int HashLog) TuningOf(int level) => level == 1 ? (21, 15) : (0, 0);

    /// <summary>Bytes written, or 0 when the result does not fit <paramref name="destination"/>.</summary>
    internal abstract int Compress(ReadOnlySpan<byte> source, Span<byte> destination, int level);

    /// <summary>True when the source decompresses to exactly the length of <paramref name="destination"/>; never writes beyond it.</summary>
    internal abstract bool TryDecompress(ReadOnlySpan<byte> source, Span<byte> destination);

    /// <inheritdoc/>
    public abstract void Dispose();
}
