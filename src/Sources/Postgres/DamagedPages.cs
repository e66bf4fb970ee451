namespace Backup.Sources.Postgres;

/// <summary>How pages that do not fit their checksums are told.</summary>
internal static class DamagedPages
{
    private const int BlocksNamedMax = 5;

    /// <param name="problems">Where to.</param>
    /// <param name="path">The relation's file within the cluster.</param>
    /// <param name="blocks">Block numbers within the relation.</param>
    internal static void Report(ProblemList problems, string path, IReadOnlyList<uint> blocks) => problems.Add(
        path,
        ItemProblemKind.Unreadable,
        $"{blocks.Count} pages do not fit their checksums on the server's own disk, block {string.Join(", ", blocks.Take(BlocksNamedMax))}. They are in the backup as they are.");
}
