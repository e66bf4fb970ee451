using ZstdSharp;
using ZstdSharp.Unsafe;

namespace Backup.Vault.Compression;

/// <summary>The managed port, for machines without the native library.</summary>
internal sealed class ManagedZstd : ZstdCodec
{
    private Compressor? _compressor;
    private Decompressor? _decompressor;

    internal override int Compress(ReadOnlySpan<byte> source, Span<byte> destination, int level)
    {
        if (_compressor?.Level != level)
        {
            _compressor ??= new Compressor(level);
            _compressor.Level = level;
            var (windowLog, hashLog) = TuningOf(level);
            _compressor.SetParameter(ZSTD_cParameter.ZSTD_c_windowLog, windowLog);
            _compressor.SetParameter(ZSTD_cParameter.ZSTD_c_hashLog, hashLog);
        }

        return _compressor.TryWrap(source, destination, out var count) ? count : 0;
    }

    internal override bool TryDecompress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        _decompressor ??= new Decompressor();
        try
        {
            return _decompressor.TryUnwrap(source, destination, out var count) && count == destination.Length;
        }
        catch (ZstdException)
        {
            // Damaged input; the caller reports it with the object's name.
            return false;
        }
    }

    public override void Dispose()
    {
        _compressor?.Dispose();
        _decompressor?.Dispose();
    }
}
