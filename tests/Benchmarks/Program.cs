using Backup.Benchmarks.Durable;
using Backup.Benchmarks.Postgres;
using Backup.Benchmarks.Relay;
using Backup.Benchmarks.Replicas;
using Backup.Benchmarks.Retention;
using Backup.Benchmarks.Sealing;
using Backup.Benchmarks.Vault;
using BenchmarkDotNet.Running;

// One command per part; each prints what it measured and nothing it did not.
var commands = new Dictionary<string, Func<string[], Task<int>>>(StringComparer.Ordinal)
{
    ["durable"] = DurableBenchmark.RunAsync,
    ["fits"] = rest => Task.FromResult(FitsSet.Run(rest)),
    ["postgres-overhead"] = OverheadRun.RunAsync,
    ["postgres-rpo"] = RpoRun.RunAsync,
    ["relay"] = RelayBenchmark.RunAsync,
    ["seal"] = SealBenchmark.RunAsync,
    ["replication"] = ReplicationBenchmark.RunAsync,
    ["retention"] = RetentionBenchmark.RunAsync,
    ["vault-copy"] = UnchangedCopy.RunAsync,
    ["vault-golden"] = GoldenRun.RunAsync,
    ["vault-index"] = IndexMemory.RunAsync,
    ["vault-kernels"] = rest => Task.FromResult(BenchmarkSwitcher.FromTypes([typeof(KernelBenchmarks)]).Run(rest.Length == 0 ? ["--filter", "*"] : rest).Any(s => s.HasCriticalValidationErrors) ? 1 : 0),
    ["vault-prune"] = PrunePlanning.RunAsync,
    ["vault-tree"] = TreeRun.RunAsync,
    ["void-catalogue"] = CatalogueFile.RunAsync,
};

if (args.Length == 0 || !commands.TryGetValue(args[0], out var command))
{
    Console.Error.WriteLine($"usage: dotnet run -c Release --project tests/Benchmarks -- {string.Join('|', commands.Keys)} [names of measurements]");
    return 2;
}

return await command(args[1..]);
