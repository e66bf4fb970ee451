namespace Backup.Vault.Chunking;

/// <summary>A stretch of a stream that holds numbers or rows of equal length, from a header the source has read.</summary>
/// <param name="Offset">First byte, counted from the start of the content.</param>
/// <param name="Length">Length in bytes.</param>
/// <param name="ElementBytes">Length of one element: 2, 4 or 8 for numbers, the row length for tables; 2 to 65,535.</param>
public readonly record struct TypedRegion(long Offset, long Length, int ElementBytes);

/// <summary>What a source knows about content; wrong hints cost space or time, never correctness.</summary>
public sealed record ContentHints
{
    /// <summary>The smallest fixed chunk length.</summary>
    public const int FixedChunkBytesMin = 4096;

    /// <summary>The greatest fixed chunk length.</summary>
    public const int FixedChunkBytesMax = 4 * 1024 * 1024;

    /// <summary>No hints: content-defined chunks sized by the content's length.</summary>
    public static ContentHints None { get; } = new();

    /// <summary>Fixed, aligned chunks of 256 KiB: for files that databases and virtual machines write in pages.</summary>
    public static ContentHints Pages { get; } = new() { FixedChunkBytes = 256 * 1024 };

    /// <summary>
    /// Fixed, aligned chunks of pages whose fields stand at multiples of a word, as in PostgreSQL's tables and indexes: bringing the words'
    /// bytes together makes such pages several times more compressible.
    /// </summary>
    /// <param name="chunkBytes">One chunk: <see cref="FixedChunkBytesMin"/> to <see cref="FixedChunkBytesMax"/>, a multiple of 8.</param>
    /// <param name="lengthExpected">The content's length in bytes, as far as is known.</param>
    public static ContentHints PagesOfWords(int chunkBytes, long lengthExpected) =>
        new() { FixedChunkBytes = chunkBytes, LengthExpected = lengthExpected, Regions = [new TypedRegion(0, long.MaxValue, sizeof(long))] };

    /// <summary>Cut into chunks of exactly this many bytes, aligned to the start; 0 for content-defined chunks.</summary>
    public int FixedChunkBytes { get; init; }

    /// <summary>The expected length in bytes, or null when unknown. Decides between fine and coarse chunks.</summary>
    public long? LengthExpected { get; init; }

    /// <summary>Typed stretches, in ascending order without overlap.</summary>
    public IReadOnlyList<TypedRegion> Regions { get; init; } = [];

    internal void Check()
    {
        if (FixedChunkBytes != 0 && FixedChunkBytes is < FixedChunkBytesMin or > FixedChunkBytesMax) throw new ArgumentException($"Fixed chunks have {FixedChunkBytesMin} to {FixedChunkBytesMax} bytes.");
        long end = 0;
        foreach (var region in Regions)
        {
            if (region.Offset < end || region.Length < 0 || region.ElementBytes is < 2 or > Compression.ByteTransposition.StrideMax) throw new ArgumentException("Typed regions must ascend without overlap, with elements of 2 to 65,535 bytes.");
            end = region.Offset + region.Length;
        }
    }
}
