namespace Backup.Vault.Compression;

/// <summary>A cheap guess, so that the compressor is not run over what is compressed or encrypted already.</summary>
internal static class Compressibility
{
    private const int SampleBytes = 4096, Samples = 4;

    /// <summary>True when four 4 KiB samples have nearly flat byte histograms. Short data is never judged.</summary>
    internal static bool LooksIncompressible(ReadOnlySpan<byte> data)
    {
        if (data.Length < SampleBytes * Samples * 2) return false;
        Span<int> counts = stackalloc int[256];
        counts.Clear();
        var distance = (data.Length - SampleBytes) / (Samples - 1);
        for (var sample = 0; sample < Samples; sample++)
            foreach (var value in data.Slice(sample * distance, SampleBytes)) counts[value]++;

        // Sum of squares is lowest, n²/256, for uniform bytes; random samples of this size stay within 1.03 of it.
        double squares = 0;
        foreach (var count in counts) squares += (double)count * count;
        const double Total = SampleBytes * Samples;
        return squares < Total * Total / 256 * 1.04;
    }
}
