namespace Backup.Sources.Postgres;

/// <summary>
/// How finely relation files are cut. A chunk that is one page costs the vault only what changed, but every chunk takes about a hundred bytes
/// in lists and index and sixty in memory, so large clusters are cut more coarsely.
/// </summary>
internal static class PageChunks
{
    /// <summary>At most about twice as many chunks, so that the index stays near 120 MB of memory.</summary>
    private const long ChunksTarget = 2L * 1024 * 1024;

    /// <summary>Beyond this a chunk compresses and transfers no better.</summary>
    private const int BytesMax = 256 * 1024;

    /// <summary>
    /// Steps of four, so that a growing cluster is stored anew (as other chunks) only at 16 GiB, 64 GiB and 256 GiB.
    /// </summary>
    /// <param name="clusterBytes">All relation files together.</param>
    internal static int BytesFor(long clusterBytes)
    {
        var bytes = PageChecksum.PageBytes;
        while (bytes < BytesMax && clusterBytes / bytes > ChunksTarget)
            bytes *= 4;
        return Math.Min(bytes, BytesMax);
    }
}
