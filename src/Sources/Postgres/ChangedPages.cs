using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres;

/// <summary>Which stretches of a relation file have to be read when the log says what changed. Pure.</summary>
internal static class ChangedPages
{
    /// <summary>Fewer unchanged chunks in a row than this are read too: one read more is cheaper than one stretch more.</summary>
    private const int ReusedChunksMin = 8;

    /// <summary>A stretch of chunks, all read or all taken over.</summary>
    internal readonly record struct Stretch(int First, int Count, bool IsReused);

    /// <summary>Cuts a file into stretches.</summary>
    /// <param name="earlier">What the earlier backup found in it.</param>
    /// <param name="bytes">Its length now.</param>
    /// <param name="chunkBytes">How files are cut.</param>
    /// <param name="changes">What the log says.</param>
    /// <returns>Null when nothing of it can be taken over: it was cut otherwise, or all has changed.</returns>
    internal static IReadOnlyList<Stretch>? Plan(Content earlier, long bytes, int chunkBytes, LogSummary.Changes changes)
    {
        if (earlier.Depth != 0 || bytes % PageChecksum.PageBytes != 0)
            return null;
        var pages = (uint)(chunkBytes / PageChecksum.PageBytes);
        var whole = earlier.Parts.Length - (earlier.Parts is [.., var last] && last.Length != chunkBytes ? 1 : 0);
        for (var chunk = 0; chunk < whole; chunk++)
        {
            if (earlier.Parts[chunk].Length != chunkBytes)
                return null;
        }

        var (stretches, total) = (new List<Stretch>(), (int)((bytes + chunkBytes - 1) / chunkBytes));
        for (var chunk = 0; chunk < total;)
        {
            var begin = chunk;
            while (chunk < whole && (chunk + 1L) * chunkBytes <= bytes && changes.LeaveAlone((uint)chunk * pages, pages))
                chunk++;
            if (chunk - begin >= ReusedChunksMin)
            {
                stretches.Add(new Stretch(begin, chunk - begin, IsReused: true));
                continue;
            }

            chunk = Math.Min(chunk + 1, total);
            AddRead(stretches, begin, chunk - begin);
        }

        return stretches.Exists(stretch => stretch.IsReused) ? stretches : null;
    }

    private static void AddRead(List<Stretch> stretches, int first, int count)
    {
        if (stretches is [.., { IsReused: false } before])
            stretches[^1] = before with { Count = before.Count + count };
        else
            stretches.Add(new Stretch(first, count, IsReused: false));
    }
}
