using Backup.Benchmarks.Durable;

// One command per part; each prints what it measured and nothing it did not.
var commands = new Dictionary<string, Func<string[], Task<int>>>(StringComparer.Ordinal)
{
    ["durable"] = DurableBenchmark.RunAsync,
};

if (args.Length == 0 || !commands.TryGetValue(args[0], out var command))
{
    Console.Error.WriteLine($"usage: dotnet run -c Release --project tests/Benchmarks -- {string.Join('|', commands.Keys)} [names of measurements]");
    return 2;
}

return await command(args[1..]);
