namespace Backup.Sources.Postgres;

/// <summary>
/// How finely relation files are cut. A chunk that is one page costs the vault only what changed, but every chunk takes about a hundred bytes
/// in lists and index and sixty in memory, so large clusters are cut more coarsely.
/// </summary>
internal static class PageChunks
{
    /// <summary>Beyond this many chunks they are cut more coarsely: the index then stays near 120 MB of memory, up to 512 GiB.</summary>
    private const long ChunksMax = 2L * 1024 * 1024;

    /// <summary>Beyond this a chunk compresses and transfers no better.</summary>
    private const int BytesMax = 256 * 1024;

    /// <summary>
    /// Steps of four, so that a growing cluster is stored anew (as other chunks) only at 16 GiB, 64 GiB and 256 GiB.
    /// </summary>
    /// <param name="clusterBytes">All relation files together.</param>
    internal static int BytesFor(long clusterBytes)
    {
        var bytes = PageChecksum.PageBytes;
        while (bytes < BytesMax && clusterBytes / bytes > ChunksMax)
            bytes *= 4;
        return Math.Min(bytes, BytesMax);
    }
}
