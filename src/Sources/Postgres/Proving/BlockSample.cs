namespace Backup.Sources.Postgres.Proving;

/// <summary>Which blocks of a table are read when it is too large to read all.</summary>
internal static class BlockSample
{
    /// <summary>1 MiB: long enough that a disk reads and does not seek.</summary>
    internal const long RunBlocks = (1 << 20) / PageChecksum.PageBytes;

    /// <summary>Runs spread evenly, the table's beginning and end among them; null for all blocks.</summary>
    /// <param name="blocksTotal">The table's.</param>
    /// <param name="blocksMax">How many may be read; at least two runs are.</param>
    internal static IReadOnlyList<IReadOnlyList<long>>? Of(long blocksTotal, long blocksMax)
    {
        var runs = Math.Max(2, blocksMax / RunBlocks);
        if (blocksTotal <= Math.Max(blocksMax, runs * RunBlocks))
            return null;
        var last = blocksTotal - RunBlocks;
        return [.. Enumerable.Range(0, (int)runs).Select(run => (long)(last * (double)run / (runs - 1))).Select(from => (long[])[from, from + RunBlocks])];
    }
}
