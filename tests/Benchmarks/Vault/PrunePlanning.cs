using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Backup.Vault;
using Backup.Vault.Chunking;
using Backup.Vault.Pruning;
using Backup.Vault.Snapshots;
using Backup.Vault.Testing;

namespace Backup.Benchmarks.Vault;

/// <summary>
/// <c>vault-prune [CHUNKS]</c>: a vault of small distinct files in memory, a million by default, in four snapshots that each replace a
/// quarter; then the plan of a prune that drops half of them. The store costs nothing: what is measured is opening and deciding.
/// </summary>
internal static class PrunePlanning
{
    private const int Snapshots = 4, FilesPerFolder = 1000, FileBytes = 100;

    internal static async Task<int> RunAsync(string[] args)
    {
        var chunks = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 1_000_000;
        var vault = await TestVault.CreateAsync(new MemoryObjectStore());
        var opened = await vault.OpenAsync();
        var made = new List<SnapshotInfo>();
        for (var number = 0; number < Snapshots; number++) made.Add(await BackupAsync(opened, number, chunks));

        GC.Collect();
        var watch = Stopwatch.StartNew();
        var plan = await Pruner.PlanAsync(opened, new PruneRequest { Drop = [.. made.Take(Snapshots / 2).Select(s => s.Id)] }, default);
        var took = watch.Elapsed;
        var statistics = await VaultStatistics.MeasureAsync(opened, default);
        Console.WriteLine($"{statistics.Chunks:N0} chunks, {statistics.Packs:N0} packs, {Snapshots} snapshots: plan {took.TotalSeconds:F2} s; it repacks {plan.CountOf(PackFate.Repack)} packs and marks {plan.CountOf(PackFate.Mark)}");
        using var self = Process.GetCurrentProcess();
        Console.WriteLine($"peak working set {self.PeakWorkingSet64 / 1e6:N0} MB, store in memory included");
        return 0;
    }

    /// <summary>Folder by folder: in each snapshot another quarter of a window that moves along the numbers.</summary>
    private static async Task<SnapshotInfo> BackupAsync(OpenVault vault, int snapshot, int chunks)
    {
        await using var writer = await vault.BeginSnapshotAsync(new WriterOptions(), default);
        var (first, count) = (chunks / (Snapshots * 2 - 1) * snapshot, chunks / (Snapshots * 2 - 1) * Snapshots);
        var folders = new List<TreeEntry>();
        var content = new byte[FileBytes];
        for (var at = first; at < first + count; at += FilesPerFolder)
        {
            var files = new List<TreeEntry>();
            for (var file = at; file < Math.Min(at + FilesPerFolder, first + count); file++)
            {
                SHA256.HashData(BitConverter.GetBytes(file), content);
                files.Add(new TreeEntry { Name = Name(file), Type = EntryType.File, Size = FileBytes, Content = writer.AddContent(new MemoryStream(content), ContentHints.None) });
            }

            folders.Add(new TreeEntry { Name = Name(at), Type = EntryType.Directory, Subtree = writer.AddTree(files) });
        }

        return await writer.CommitAsync(new SnapshotDescription { Asset = "synthetic", SourceKind = "benchmark", ItemsTotal = count }, writer.AddTree(folders), default);
    }

    private static byte[] Name(int number) => Encoding.ASCII.GetBytes(number.ToString("D9", CultureInfo.InvariantCulture));
}
