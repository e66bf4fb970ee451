using System.Text;
using Backup.Sources.Postgres;

namespace Backup.Sources.Tests.Postgres;

/// <summary>What pg_checksums does: every page of every relation of a cluster that was shut down.</summary>
internal static class ClusterPages
{
    internal static int CountDamaged(string dataDirectory)
    {
        var (damaged, seen) = (0, 0);
        foreach (var path in Directory.EnumerateFiles(dataDirectory, "*", SearchOption.AllDirectories))
        {
            var inCluster = Path.GetRelativePath(dataDirectory, path);
            if (!ClusterRules.HoldsRelations(Path.GetDirectoryName(inCluster)!) || !RelationFileName.TryParse(Encoding.UTF8.GetBytes(Path.GetFileName(path)), out var relation))
                continue;
            var content = File.ReadAllBytes(path);
            for (var page = 0; page * PageChecksum.PageBytes < content.Length; page++)
            {
                seen++;
                if (!PageChecksum.IsSound(content.AsSpan(page * PageChecksum.PageBytes, PageChecksum.PageBytes), (relation.Segment * RelationFileName.SegmentBlocks) + (uint)page, new Lsn(ulong.MaxValue)))
                    damaged++;
            }
        }

        return seen > 1000 ? damaged : throw new InvalidOperationException($"Only {seen} pages were found in {dataDirectory}.");
    }
}
