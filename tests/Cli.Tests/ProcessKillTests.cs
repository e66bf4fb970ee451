using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Shouldly;

namespace Backup.Cli.Tests;

/// <summary>
/// <c>backupctl</c> as a process, killed with SIGKILL at random moments of whatever it does to a vault, and run several at a time. BACKUPCTL_KILLS says how
/// many operations (12 unless set), BACKUPCTL_KILL_SEED repeats an earlier run, BACKUPCTL names a published program: see <c>kill-loop.sh</c>.
/// </summary>
public sealed class ProcessKillTests : IDisposable
{
    private readonly CliBench _bench = new();
    private readonly int _seed = Number("BACKUPCTL_KILL_SEED") ?? Environment.TickCount;
    private readonly Dictionary<string, Dictionary<string, byte[]>> _committed = [];
    private readonly HashSet<string> _mayBeDropped = [];
    private readonly Dictionary<string, TimeSpan> _durations = [];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _bench.Dispose();

    [Fact]
    public async Task Vault_WhoseEveryCommandIsKilledAtRandom_LosesNothingCommitted()
    {
        var operations = Number("BACKUPCTL_KILLS") ?? 12;
        TestContext.Current.TestOutputHelper!.WriteLine($"BACKUPCTL_KILL_SEED={_seed} BACKUPCTL_KILLS={operations}");
        var random = new Random(_seed);
        await _bench.InitAsync();
        var tree = SmallTree(random);
        var killed = 0;
        for (var operation = 0; operation < operations; operation++)
        {
            var name = operation == 0 ? "backup" : Pick(random);
            if (name == "backup")
            {
                Change(tree, random);
                Write(_bench["data"], tree);
            }

            var known = operation == 0 ? [] : await ListAsync();
            if (name == "prune" && known.Count > 0) _mayBeDropped.Add(known[0]);
            if (await RunAndKillAsync(name, known, random, mayFinish: operation == 0)) killed++;
            await CheckAsync(name, tree, known, $"seed {_seed}, operation {operation}: {name}");
        }

        TestContext.Current.TestOutputHelper!.WriteLine($"{operations} operations, {killed} killed, {_committed.Count} snapshots");
        // Of the few in the ordinary run all may end in time by chance.
        if (operations >= 100) killed.ShouldBeGreaterThan(operations / 20, "operations are to be killed before they end");
        foreach (var snapshot in await ListAsync()) await ShouldRestoreAsync(snapshot, $"seed {_seed}, at the end");
    }

    [Fact]
    public async Task TwoWritersAndPruneAsProcesses_LoseNothing()
    {
        const int Rounds = 4;
        TestContext.Current.TestOutputHelper!.WriteLine($"BACKUPCTL_KILL_SEED={_seed}");
        await _bench.InitAsync();
        var writers = new[] { "left", "right" }.Select(asset => WriteAsync(asset, new Random(HashCode.Combine(_seed, asset.Length)))).ToList();
        var prunes = 0;
        while (!Task.WhenAll(writers).IsCompleted || prunes < 2)
        {
            // Whatever is not the newest of its asset may go, while both writers rely on what it shares with the next.
            var droppable = (await SnapshotsAsync()).GroupBy(s => s.Asset).SelectMany(asset => asset.SkipLast(1)).Select(s => s.Id).Take(1).ToList();
            _mayBeDropped.UnionWith(droppable);
            (await RunAsync(["vault", "prune", .. droppable.SelectMany(id => new[] { "--drop", id }), .. Vault])).Code.ShouldBe((int)ExitCode.Success);
            prunes++;
        }

        foreach (var (snapshot, tree) in (await Task.WhenAll(writers)).SelectMany(w => w)) _committed.Add(snapshot, tree);
        _committed.Count.ShouldBe(2 * Rounds);
        (await RunAsync(["vault", "verify", "--depth", "data", "--no-ledger", .. Vault])).Code.ShouldBe((int)ExitCode.Success);
        var listed = await ListAsync();
        _committed.Keys.Except(_mayBeDropped).Except(listed).ShouldBeEmpty();
        foreach (var snapshot in listed) await ShouldRestoreAsync(snapshot, $"seed {_seed}");

        async Task<Dictionary<string, Dictionary<string, byte[]>>> WriteAsync(string asset, Random random)
        {
            var done = new Dictionary<string, Dictionary<string, byte[]>>();
            var tree = SmallTree(random);
            for (var round = 0; round < Rounds; round++)
            {
                Change(tree, random);
                Write(_bench[asset], tree);
                var result = await RunAsync(["backup", _bench[asset], "--asset", asset, "--json", .. Vault]);
                result.Code.ShouldBe((int)ExitCode.Success, result.Error);
                done.Add(JsonDocument.Parse(result.Out).RootElement.GetProperty("snapshotId").GetString()!, new Dictionary<string, byte[]>(tree));
            }

            return done;
        }
    }

    private string[] Vault => ["--vault", _bench["vault"], "--key-file", _bench["restore.key"]];

    private static string Pick(Random random) => random.Next(10) switch
    {
        < 4 => "backup",
        < 6 => "prune",
        6 => "copy",
        7 => "verify",
        8 => "rebuild-index",
        _ => "rotate",
    };

    private string[] ArgumentsOf(string operation, IReadOnlyList<string> known) => operation switch
    {
        "backup" => ["backup", _bench["data"], "--asset", "docs", .. Vault],
        "prune" => ["vault", "prune", .. known.Count > 0 ? new[] { "--drop", known[0] } : [], "--grace-days", "0", "--no-writer-is-running", "--max-waste", "0", .. Vault],
        "copy" => ["vault", "copy", "--to", _bench["replica"], "--vault", _bench["vault"]],
        "verify" => ["vault", "verify", "--depth", "data", .. Vault],
        "rebuild-index" => ["vault", "rebuild-index", .. Vault],
        _ => ["vault", "key", "rotate", .. Vault],
    };

    /// <summary>Kills the command at a random moment of the time it took when it last ended by itself, or a little later. True when that was before its end.</summary>
    private async Task<bool> RunAndKillAsync(string operation, IReadOnlyList<string> known, Random random, bool mayFinish)
    {
        var longest = _durations.GetValueOrDefault(operation, TimeSpan.FromMilliseconds(250));
        var start = ProgramUnderTest.Start(ArgumentsOf(operation, known));
        start.RedirectStandardError = true;
        start.Environment["XDG_CACHE_HOME"] = _bench["cache"];
        var watch = Stopwatch.StartNew();
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(Cancel), process.StandardError.ReadToEndAsync(Cancel));
        var ended = process.WaitForExitAsync(Cancel);
        var isKilled = !mayFinish && await Task.WhenAny(ended, Task.Delay(longest * (1.3 * random.NextDouble()), Cancel)) != ended;
        if (isKilled) process.Kill();
        await ended;
        isKilled = isKilled && process.ExitCode != 0;
        if (!isKilled)
        {
            process.ExitCode.ShouldBe((int)ExitCode.Success, $"seed {_seed}: {operation}\n{await output}\n{await error}");
            _durations[operation] = watch.Elapsed;
        }

        return isKilled;
    }

    private async Task CheckAsync(string operation, Dictionary<string, byte[]> tree, IReadOnlyCollection<string> known, string what)
    {
        var verified = await RunAsync(["vault", "verify", "--depth", "data", "--no-ledger", .. Vault]);
        verified.Code.ShouldBe((int)ExitCode.Success, $"{what}\n{verified.Out}\n{verified.Error}");
        var listed = await ListAsync();
        if (operation == "backup") foreach (var snapshot in listed.Except(known)) _committed.Add(snapshot, new Dictionary<string, byte[]>(tree));
        _committed.Keys.Except(_mayBeDropped).Except(listed).ShouldBeEmpty(what);
        if (listed.Count > 0) await ShouldRestoreAsync(listed[^1], what);
        if (!Directory.Exists(Path.Combine(_bench["replica"], "config")) || !Directory.Exists(Path.Combine(_bench["replica"], "keys"))) return;
        var replica = await RunAsync(["vault", "verify", "--depth", "data", "--no-ledger", "--vault", _bench["replica"], "--key-file", _bench["restore.key"]]);
        replica.Code.ShouldBe((int)ExitCode.Success, $"{what}, replica\n{replica.Out}\n{replica.Error}");
    }

    private async Task ShouldRestoreAsync(string snapshot, string what)
    {
        var target = _bench["restored"];
        if (Directory.Exists(target)) Directory.Delete(target, recursive: true);
        var restored = await RunAsync(["restore", "--snapshot", snapshot, "--target", target, .. Vault]);
        restored.Code.ShouldBe((int)ExitCode.Success, $"{what}\n{restored.Error}");
        var files = Directory.EnumerateFiles(target, "*", SearchOption.AllDirectories).ToDictionary(f => f[(f.LastIndexOf("/files/", StringComparison.Ordinal) + 7)..], File.ReadAllBytes);
        files.Keys.Order(StringComparer.Ordinal).ShouldBe(_committed[snapshot].Keys.Order(StringComparer.Ordinal), what);
        foreach (var (name, content) in files) content.AsSpan().SequenceEqual(_committed[snapshot][name]).ShouldBeTrue($"{what}: {name} of {snapshot}");
    }

    private async Task<List<string>> ListAsync() => [.. (await SnapshotsAsync()).Select(s => s.Id)];

    private async Task<List<(string Id, string Asset)>> SnapshotsAsync()
    {
        var result = await RunAsync(["snapshots", "--json", .. Vault]);
        result.Code.ShouldBe((int)ExitCode.Success, result.Error);
        return [.. result.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement).Select(s => (s.GetProperty("id").GetString()!, s.GetProperty("asset").GetString()!))];
    }

    private Task<CliResult> RunAsync(string[] arguments) => ProgramUnderTest.RunAsync(arguments, new Dictionary<string, string> { ["XDG_CACHE_HOME"] = _bench["cache"] }, Cancel);

    /// <summary>Some hundred small files, and two that are long enough to be interrupted in the middle.</summary>
    private static Dictionary<string, byte[]> SmallTree(Random random)
    {
        var tree = new Dictionary<string, byte[]>();
        for (var file = 0; file < 200; file++) tree.Add($"{file % 10}/{file}", Noise(random, random.Next(20_000)));
        for (var file = 0; file < 2; file++) tree.Add($"long-{file}", Noise(random, 12_000_000));
        return tree;
    }

    private static void Change(Dictionary<string, byte[]> tree, Random random)
    {
        foreach (var name in tree.Keys.Where(_ => random.Next(20) == 0).ToList())
        {
            if (random.Next(4) == 0) tree.Remove(name);
            else tree[name] = Noise(random, tree[name].Length + random.Next(1000));
        }

        tree.Add($"new-{random.NextInt64()}", Noise(random, random.Next(3_000_000)));
    }

    private static byte[] Noise(Random random, int length)
    {
        var bytes = new byte[length];
        random.NextBytes(bytes.AsSpan(length / 2));
        return bytes;
    }

    /// <summary>Makes a folder hold this tree and nothing else; files that are the same are left alone.</summary>
    private static void Write(string root, Dictionary<string, byte[]> tree)
    {
        foreach (var (name, content) in tree)
        {
            var path = Path.Combine(root, "files", name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            if (!File.Exists(path) || !File.ReadAllBytes(path).AsSpan().SequenceEqual(content)) File.WriteAllBytes(path, content);
        }

        foreach (var gone in Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories).Where(f => !tree.ContainsKey(Path.GetRelativePath(Path.Combine(root, "files"), f)))) File.Delete(gone);
    }

    private static int? Number(string variable) => int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out var number) ? number : null;
}
