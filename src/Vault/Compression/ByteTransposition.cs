namespace Backup.Vault.Compression;

/// <summary>
/// The byte-shuffle filter: bytes that stand at the same place of successive elements (numbers, table rows) are brought together,
/// which makes numeric data far more compressible. A permutation: it loses nothing and keeps the length.
/// </summary>
internal static class ByteTransposition
{
    internal const int StrideMax = ushort.MaxValue;

    /// <summary>Elements handled at a time: keeps both sides in the first-level cache.</summary>
    private const int Block = 64;

    /// <summary>Shuffles. The first <paramref name="phase"/> bytes and an incomplete last element are copied as they are.</summary>
    internal static void Shuffle(ReadOnlySpan<byte> source, Span<byte> destination, int stride, int phase)
    {
        var count = CopyRest(source, destination, stride, phase);
        var from = source.Slice(phase, count * stride);
        var to = destination.Slice(phase, count * stride);
        for (var first = 0; first < count; first += Block)
        {
            var last = Math.Min(count, first + Block);
            for (var column = 0; column < stride; column++)
            {
                var row = to.Slice((column * count) + first, last - first);
                var at = (first * stride) + column;
                for (var i = 0; i < row.Length; i++, at += stride) row[i] = from[at];
            }
        }
    }

    /// <summary>Undoes <see cref="Shuffle"/>.</summary>
    internal static void Unshuffle(ReadOnlySpan<byte> source, Span<byte> destination, int stride, int phase)
    {
        var count = CopyRest(source, destination, stride, phase);
        var from = source.Slice(phase, count * stride);
        var to = destination.Slice(phase, count * stride);
        for (var first = 0; first < count; first += Block)
        {
            var last = Math.Min(count, first + Block);
            for (var column = 0; column < stride; column++)
            {
                var row = from.Slice((column * count) + first, last - first);
                var at = (first * stride) + column;
                for (var i = 0; i < row.Length; i++, at += stride) to[at] = row[i];
            }
        }
    }

    /// <summary>Copies what is not shuffled; answers the number of whole elements.</summary>
    private static int CopyRest(ReadOnlySpan<byte> source, Span<byte> destination, int stride, int phase)
    {
        if (stride is < 2 or > StrideMax || phase < 0 || phase > source.Length || destination.Length != source.Length) throw new ArgumentException("Not a stride and phase that fit the data.", nameof(stride));
        var count = (source.Length - phase) / stride;
        source[..phase].CopyTo(destination);
        source[(phase + (count * stride))..].CopyTo(destination[(phase + (count * stride))..]);
        return count;
    }
}
