using System.Runtime.InteropServices;

namespace Backup.Vault.Compression;

/// <summary>The system's libzstd, bound at run time so that its absence is no error.</summary>
internal sealed unsafe class NativeZstd : ZstdCodec
{
    private static readonly Functions? Library = Functions.TryLoad();
    private const int CompressionLevel = 100, WindowLog = 101, HashLog = 102;
    private nint _compressor, _decompressor;
    private int _level = int.MinValue;

    internal static bool IsAvailable => Library is not null;

    internal override int Compress(ReadOnlySpan<byte> source, Span<byte> destination, int level)
    {
        if (_compressor == 0) _compressor = Library!.CreateCompressor();
        if (_compressor == 0) throw new InsufficientMemoryException("zstd could not allocate a compressor.");
        if (_level != level)
        {
            var (windowLog, hashLog) = TuningOf(level);
            Set(CompressionLevel, level);
            Set(WindowLog, windowLog);
            Set(HashLog, hashLog);
            _level = level;
        }

        fixed (byte* from = source)
        fixed (byte* to = destination)
        {
            var count = Library!.Compress(_compressor, to, (nuint)destination.Length, from, (nuint)source.Length);
            return Library.IsError(count) != 0 ? 0 : (int)count;
        }
    }

    internal override bool TryDecompress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        if (_decompressor == 0) _decompressor = Library!.CreateDecompressor();
        if (_decompressor == 0) throw new InsufficientMemoryException("zstd could not allocate a decompressor.");
        fixed (byte* from = source)
        fixed (byte* to = destination)
        {
            var count = Library!.Decompress(_decompressor, to, (nuint)destination.Length, from, (nuint)source.Length);
            return Library.IsError(count) == 0 && count == (nuint)destination.Length;
        }
    }

    private void Set(int parameter, int value)
    {
        if (Library!.IsError(Library.SetParameter(_compressor, parameter, value)) != 0) throw new InvalidOperationException($"zstd refuses {value} for its parameter {parameter}.");
    }

    public override void Dispose()
    {
        if (_compressor != 0) Library!.FreeCompressor(_compressor);
        if (_decompressor != 0) Library!.FreeDecompressor(_decompressor);
        _compressor = _decompressor = 0;
        GC.SuppressFinalize(this);
    }

    ~NativeZstd() => Dispose();

    private sealed class Functions
    {
        internal readonly delegate* unmanaged<nint> CreateCompressor, CreateDecompressor;
        internal readonly delegate* unmanaged<nint, nuint> FreeCompressor, FreeDecompressor;
        internal readonly delegate* unmanaged<nint, int, int, nuint> SetParameter;
        internal readonly delegate* unmanaged<nint, byte*, nuint, byte*, nuint, nuint> Compress, Decompress;
        internal readonly delegate* unmanaged<nuint, uint> IsError;

        private Functions(nint library)
        {
            CreateCompressor = (delegate* unmanaged<nint>)NativeLibrary.GetExport(library, "ZSTD_createCCtx");
            CreateDecompressor = (delegate* unmanaged<nint>)NativeLibrary.GetExport(library, "ZSTD_createDCtx");
            FreeCompressor = (delegate* unmanaged<nint, nuint>)NativeLibrary.GetExport(library, "ZSTD_freeCCtx");
            FreeDecompressor = (delegate* unmanaged<nint, nuint>)NativeLibrary.GetExport(library, "ZSTD_freeDCtx");
            Compress = (delegate* unmanaged<nint, byte*, nuint, byte*, nuint, nuint>)NativeLibrary.GetExport(library, "ZSTD_compress2");
            SetParameter = (delegate* unmanaged<nint, int, int, nuint>)NativeLibrary.GetExport(library, "ZSTD_CCtx_setParameter");
            Decompress = (delegate* unmanaged<nint, byte*, nuint, byte*, nuint, nuint>)NativeLibrary.GetExport(library, "ZSTD_decompressDCtx");
            IsError = (delegate* unmanaged<nuint, uint>)NativeLibrary.GetExport(library, "ZSTD_isError");
        }

        internal static Functions? TryLoad()
        {
            foreach (var name in (string[])["libzstd.so.1", "libzstd.1.dylib", "libzstd.dll"])
            {
                if (!NativeLibrary.TryLoad(name, out var library)) continue;
                try
                {
                    return new Functions(library);
                }
                catch (EntryPointNotFoundException)
                {
                    // Something else under that name: the managed port serves.
                    NativeLibrary.Free(library);
                }
            }

            return null;
        }
    }
}
