using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using Backup.Vault;
using Backup.Vault.Chunking;
using Backup.Vault.Pruning;
using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;
using Backup.Vault.Verifying;

namespace Backup.Benchmarks.Vault;

/// <summary>
/// The engine alone on a real tree, without the file source's metadata work:
/// <c>vault-tree DIR VAULT [LEVEL [THREADS]]</c> backs up, verifies data and reads everything back, printing wall and CPU seconds.
/// </summary>
internal static class TreeRun
{
    internal static async Task<int> RunAsync(string[] args)
    {
        if (args.Length < 2)
        {
            await Console.Error.WriteLineAsync("usage: vault-tree DIR VAULT [LEVEL [THREADS]]");
            return 2;
        }

        var level = args.Length > 2 ? int.Parse(args[2], System.Globalization.CultureInfo.InvariantCulture) : new WriterOptions().CompressionLevel;
        var threads = args.Length > 3 ? int.Parse(args[3], System.Globalization.CultureInfo.InvariantCulture) : Environment.ProcessorCount;
        var store = new FileSystemObjectStore(args[1]);
        var keys = await VaultCreation.CreateAsync(store, TimeProvider.System, default);
        var vault = await OpenVault.OpenAsync(store, keys.RestoreKey, TimeProvider.System, default);

        SnapshotInfo? snapshot = null;
        await MeasureAsync("first backup", async () => snapshot = await BackupAsync(vault, args[0], level, threads));
        await MeasureAsync("second backup", async () => await BackupAsync(vault, args[0], level, threads));
        await MeasureAsync("read back", () => ReadBackAsync(vault, snapshot!, threads));
        await MeasureAsync("verify data", async () => Console.Write($"{(await Verifier.VerifyAsync(vault, new VerifyRequest { Depth = VerifyDepth.Data, Parallelism = threads }, null, default)).IsSound} "));
        await MeasureAsync("plan prune", async () => Console.Write($"{(await Pruner.PlanAsync(vault, new PruneRequest(), default)).BytesRepacked} "));
        var statistics = await VaultStatistics.MeasureAsync(vault, default);
        Console.WriteLine($"stored {statistics.BytesStored:N0} B, data {statistics.BytesByKind[ObjectKind.DataPack]:N0}, meta {statistics.BytesByKind[ObjectKind.MetaPack]:N0}, index {statistics.BytesByKind[ObjectKind.ChunkMap]:N0}, chunks {statistics.Chunks:N0}, unique {statistics.BytesUnique:N0}");
        using var self = Process.GetCurrentProcess();
        Console.WriteLine($"peak memory {self.PeakWorkingSet64 / 1e6:F0} MB");
        return 0;
    }

    private static async Task MeasureAsync(string what, Func<Task> action)
    {
        using var self = Process.GetCurrentProcess();
        var cpu = self.TotalProcessorTime;
        var watch = Stopwatch.StartNew();
        await action();
        self.Refresh();
        Console.WriteLine($"{what,-14} {watch.Elapsed.TotalSeconds,7:F2} s wall {(self.TotalProcessorTime - cpu).TotalSeconds,7:F2} s CPU, peak {self.PeakWorkingSet64 / 1e6:F0} MB");
    }

    private static async Task<SnapshotInfo> BackupAsync(OpenVault vault, string folder, int level, int threads)
    {
        await using var writer = await vault.BeginSnapshotAsync(new WriterOptions { CompressionLevel = level }, default);
        var files = new DirectoryInfo(folder).EnumerateFiles("*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint })
            .Where(f => f.LinkTarget is null).Select(f => f.FullName).ToList();
        var contents = new ConcurrentDictionary<string, Content>();
        Parallel.ForEach(Partitioner.Create(files, EnumerablePartitionerOptions.NoBuffering), new ParallelOptions { MaxDegreeOfParallelism = threads }, path =>
        {
            using var file = File.OpenHandle(path);
            contents[path] = writer.AddContent(file, 0, RandomAccess.GetLength(file), ContentHints.None);
        });
        var trees = files.GroupBy(f => Path.GetDirectoryName(f)!).OrderBy(g => g.Key, StringComparer.Ordinal).Select((g, i) => new TreeEntry
        {
            Name = Encoding.UTF8.GetBytes($"{i:d8}"),
            Type = EntryType.Directory,
            Subtree = writer.AddTree([.. g.Select(f => new TreeEntry { Name = Encoding.UTF8.GetBytes(Path.GetFileName(f)), Type = EntryType.File, Size = contents[f].Length, Content = contents[f] })
                .OrderBy(e => Encoding.Latin1.GetString(e.Name.Span), StringComparer.Ordinal)]),
        }).ToList();
        var snapshot = await writer.CommitAsync(new SnapshotDescription { Asset = folder, SourceKind = "bench" }, writer.AddTree(trees), default);
        Console.Write($"{snapshot.Statistics.BytesRead / 1e6:F0} MB in {files.Count} files ");
        return snapshot;
    }

    private static async Task ReadBackAsync(OpenVault vault, SnapshotInfo snapshot, int threads)
    {
        using var reader = await vault.OpenReaderAsync(default);
        var wanted = new List<ContentPart>();
        foreach (var folder in await reader.ReadTreeAsync(snapshot.Root!.Value, default))
            foreach (var file in await reader.ReadTreeAsync(folder.Subtree!.Value, default))
                wanted.AddRange((await reader.ExpandAsync(file.Content!, default)).Parts);
        var sink = new Counter();
        await reader.FetchAsync(wanted, sink, threads, default);
        Console.Write($"{sink.Bytes / 1e6:F0} MB ");
    }

    private sealed class Counter : IChunkSink
    {
        private long _bytes;

        internal long Bytes => Interlocked.Read(ref _bytes);

        public void Deliver(int want, int count, ReadOnlySpan<byte> data) => Interlocked.Add(ref _bytes, data.Length);

        public void Fail(int want, VaultException why) => throw why;
    }
}
