namespace Backup.Sources.Postgres;

/// <summary>
/// How finely relation files are cut. Small chunks cost the vault little more than what changed, but every chunk takes about a hundred bytes
/// in lists and index and sixty in memory: two pages together store less than single ones do, and large clusters are cut more coarsely.
/// </summary>
internal static class PageChunks
{
    private const int BytesMin = 2 * PageChecksum.PageBytes;

    /// <summary>Beyond this many chunks they are cut more coarsely: the index then stays near 120 MB of memory, up to 512 GiB.</summary>
    private const long ChunksMax = 2L * 1024 * 1024;

    /// <summary>Beyond this a chunk compresses and transfers no better.</summary>
    private const int BytesMax = 256 * 1024;

    /// <summary>
    /// Steps of four, so that a growing cluster is stored anew (as other chunks) only at 32 GiB and 128 GiB.
    /// </summary>
    /// <param name="clusterBytes">All relation files together.</param>
    internal static int BytesFor(long clusterBytes)
    {
        var bytes = BytesMin;
        while (bytes < BytesMax && clusterBytes / bytes > ChunksMax)
            bytes *= 4;
        return Math.Min(bytes, BytesMax);
    }
}
