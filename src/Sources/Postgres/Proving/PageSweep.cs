using System.Globalization;
using Backup.Sources.Posix;

namespace Backup.Sources.Postgres.Proving;

/// <summary>Every page of every relation of a cluster that was shut down, against its checksum; as <c>pg_checksums --check</c>.</summary>
internal static class PageSweep
{
    private const int BufferPages = 128;

    /// <summary>Pages that hold data and were checked; what is wrong is told, also a file that cannot be read.</summary>
    internal static long Run(string dataDirectory, Action<string> tell, CancellationToken cancel)
    {
        long pages = 0;
        Parallel.ForEach(RelationFiles(dataDirectory), new ParallelOptions { CancellationToken = cancel, MaxDegreeOfParallelism = Environment.ProcessorCount }, found =>
            Interlocked.Add(ref pages, TryCheck(found.File, found.Segment, Path.GetRelativePath(dataDirectory, found.File), tell, cancel)));
        return pages;
    }

    private static long TryCheck(string file, uint segment, string name, Action<string> tell, CancellationToken cancel)
    {
        try
        {
            return Check(file, segment, name, tell, cancel);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            tell($"{name}: cannot be read: {failure.Message}");
            return 0;
        }
    }

    private static long Check(string file, uint segment, string name, Action<string> tell, CancellationToken cancel)
    {
        var buffer = new byte[BufferPages * PageChecksum.PageBytes];
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        long pages = 0;
        for (var block = segment * RelationFileName.SegmentBlocks; ;)
        {
            cancel.ThrowIfCancellationRequested();
            var read = stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            for (var at = 0; at + PageChecksum.PageBytes <= read; at += PageChecksum.PageBytes, block++)
            {
                var page = buffer.AsSpan(at, PageChecksum.PageBytes);
                if (!PageChecksum.IsSound(page, block, new Lsn(ulong.MaxValue)))
                    tell(string.Create(CultureInfo.InvariantCulture, $"{name}: the checksum of block {block} is wrong"));
                if (page.ContainsAnyExcept((byte)0))
                    pages++;
            }

            if (read % PageChecksum.PageBytes != 0)
                tell(string.Create(CultureInfo.InvariantCulture, $"{name}: ends within block {block}"));
            if (read < buffer.Length)
                return pages;
        }
    }

    private static IEnumerable<(string File, uint Segment)> RelationFiles(string dataDirectory)
    {
        var tablespaces = Path.Combine(dataDirectory, ClusterRules.TablespaceDirectory);
        IEnumerable<string> folders =
        [
            Path.Combine(dataDirectory, "global"),
            .. Directory.EnumerateDirectories(Path.Combine(dataDirectory, "base")),
            .. Directory.Exists(tablespaces) ? Directory.EnumerateDirectories(tablespaces).SelectMany(Directory.EnumerateDirectories).SelectMany(Directory.EnumerateDirectories) : [],
        ];
        foreach (var file in folders.SelectMany(Directory.EnumerateFiles))
        {
            if (RelationFileName.TryParse(ByteText.Encode(Path.GetFileName(file)), out var relation) && !relation.IsTemporary)
                yield return (file, relation.Segment);
        }
    }
}
