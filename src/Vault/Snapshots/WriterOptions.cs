using System.Runtime.CompilerServices;
using Backup.Vault.Format;
using Backup.Vault.Packs;

namespace Backup.Vault.Snapshots;

/// <summary>How a writer works. Every value may differ from backup to backup; none is part of the format.</summary>
public sealed record WriterOptions
{
    /// <summary>zstd level for content, 1 (fast) to 19 (small); 0 stores raw.</summary>
    /// <value>1.</value>
    public int CompressionLevel { get; init; } = 1;

    /// <summary>Mean size of data packs in bytes, 1 MiB to 32 MiB. One is in memory, and one more for each write that the store wants at once.</summary>
    /// <value>16 MiB.</value>
    public int DataPackBytes { get; init; } = 16 << 20;

    /// <summary>Mean size of metadata packs in bytes, 1 MiB to 32 MiB.</summary>
    /// <value>4 MiB.</value>
    public int MetaPackBytes { get; init; } = 4 << 20;

    /// <summary>How many stored packs may wait for their entry in the index, 1 to 1,024: what a crash costs is uploading these again.</summary>
    /// <value>32.</value>
    public int PacksPerIndex { get; init; } = 32;

    /// <summary>
    /// Plain bytes of typed content that are compressed together, 2 to 8 MiB. More is smaller, by a fifth where pages changed here and there; it costs the writer
    /// three times as much memory per thread, and whoever reads one chunk back decompresses as much.
    /// </summary>
    /// <value>2 MiB.</value>
    public int TypedFrameBytes { get; init; } = FrameBuilder.ContentBytesTarget;

    /// <exception cref="ArgumentOutOfRangeException">A value is outside of its limits.</exception>
    internal void Check()
    {
        InRange(CompressionLevel, 0, 19);
        InRange(DataPackBytes, 1 << 20, 32 << 20);
        InRange(MetaPackBytes, 1 << 20, 32 << 20);
        InRange(PacksPerIndex, 1, 1024);
        InRange(TypedFrameBytes, FrameBuilder.ContentBytesTarget, FrameDirectory.FrameBytesMax);
    }

    private static void InRange(int value, int least, int most, [CallerArgumentExpression(nameof(value))] string name = "")
    {
        if (value < least || value > most) throw new ArgumentOutOfRangeException(name, value, $"Must be {least} to {most}.");
    }
}

/// <summary>Counters of a writer so far; all but the first are final only after the commit.</summary>
/// <param name="BytesRead">Content bytes handed in.</param>
/// <param name="BytesNew">Content bytes in chunks the vault did not have.</param>
/// <param name="BytesStored">Bytes of packs stored, metadata and padding included.</param>
/// <param name="ChunksTotal">Content chunks handed in.</param>
/// <param name="ChunksNew">Content chunks the vault did not have.</param>
/// <param name="MetaBytes">Bytes of tree nodes and lists before compression, new ones only.</param>
/// <param name="BytesReused">Content bytes that were not read because the file was known to be unchanged.</param>
public readonly record struct WriterStatistics(long BytesRead, long BytesNew, long BytesStored, long ChunksTotal, long ChunksNew, long MetaBytes, long BytesReused)
{
    /// <summary>Content bytes of the whole snapshot.</summary>
    public long BytesTotal => BytesRead + BytesReused;
}
