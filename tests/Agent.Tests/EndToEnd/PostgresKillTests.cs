using System.Diagnostics;
using System.Globalization;
using Backup.AgentApi;
using Backup.Sources.Postgres;
using Shouldly;

namespace Backup.Agent.Tests.EndToEnd;

/// <summary>
/// The agent as a process, killed with SIGKILL at random moments of what it does for a database. POSTGRES_KILLS says how many times each (1 unless set),
/// POSTGRES_KILL_SEED repeats an earlier run: see <c>postgres-kill-soak.sh</c>.
/// </summary>
public sealed class PostgresKillTests
{
    private readonly int _kills = Number("POSTGRES_KILLS") ?? 1;
    private readonly int _seed = Number("POSTGRES_KILL_SEED") ?? Random.Shared.Next();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task BaseBackup_AgentKilledAtRandom_IsMadeOnceAndRestores()
    {
        const int BallastMebibytes = 24;
        var random = Begin("base backup");
        await using var bench = await PostgresKillBench.StartAsync(BallastMebibytes, receivesLog: false);
        await bench.StartAgentAsync();
        await using var writer = new CommittingSession(bench.Database);
        var longest = await MeasureAsync(() => SucceedAsync(bench, "backup-0", PostgresKillBench.Backup()));
        var killedMidway = 0;
        for (var kill = 1; kill <= _kills; kill++)
        {
            await bench.RewriteBallastAsync(BallastMebibytes);
            var (order, ballast) = ($"backup-{kill}", await bench.BallastAsync());
            (await bench.Site.OrderAsync(order, PostgresKillBench.Backup())).Refusal.ShouldBeNull();
            await KillAsync(bench, longest * 0.7, random);
            var wasCommitted = (await bench.Site.SnapshotsAsync()).Any(made => made.Tags.GetValueOrDefault("order") == order);
            killedMidway += wasCommitted ? 0 : 1;
            await bench.VaultShouldBeSoundAsync($"after kill {kill}");
            await bench.NothingShouldBeLeftOnTheServerAsync(slotsKept: 0);

            // A backup that was committed shows the state of then, any other one that of after the next start.
            var commits = wasCommitted ? 0 : writer.Commits;
            await bench.StartAgentAsync();
            var made = (await SucceedAsync(bench, order, null)).Backup.ShouldNotBeNull();
            await bench.ShouldBeMadeOnceAsync(order, made.SnapshotId);
            made.ConsistencyPoint.ShouldNotBeNull().StopLsn.ShouldContain("/");
            var folder = bench.NewFolder();
            (await SucceedAsync(bench, $"restore-{kill}", PostgresKillBench.Restore(made.SnapshotId, folder))).Restore!.Proof!.IsProven.ShouldBeTrue();
            await bench.ShouldHoldAsync(folder, commits, ballast);
            Report($"kill {kill}: {(wasCommitted ? "after the commit" : "before the commit")}, {commits} commits at least");
        }

        await bench.NothingShouldBeLeftOnTheServerAsync(slotsKept: 0);
        Report($"{_kills} kills, {killedMidway} before the commit");
    }

    [Fact]
    public async Task WalStreaming_AgentKilledAtRandom_LosesNothingDurable()
    {
        var random = Begin("WAL streaming");
        await using var bench = await PostgresKillBench.StartAsync(ballastMebibytes: 1, receivesLog: true);
        var ballast = await bench.BallastAsync();
        await bench.StartAgentAsync();
        await bench.UntilBaseBackupAsync();
        await using var writer = new CommittingSession(bench.Database);
        for (var kill = 1; kill <= _kills; kill++)
        {
            await bench.UntilAsync("SELECT count(*) FROM pg_replication_slots WHERE active", active => active == 1);
            if (random.Next(3) == 0)
                await bench.ChangeAsync("SELECT pg_switch_wal()");
            await KillAsync(bench, TimeSpan.FromSeconds(4), random);
            await bench.NothingShouldBeLeftOnTheServerAsync(slotsKept: 1);
            var flushed = await bench.FlushedAsync();
            var (durable, acknowledged) = (writer.CommitsBefore(flushed), writer.Commits);
            await bench.VaultShouldBeSoundAsync($"after kill {kill}");
            await bench.LogShouldReachAsync(flushed, writer);
            var folder = bench.NewFolder();
            await bench.RecoverToLatestAsync(folder);
            await bench.ShouldHoldAsync(folder, durable, ballast);
            Report($"kill {kill}: durable up to {flushed}, {durable} of {acknowledged} commits");
            await bench.StartAgentAsync();
        }

        // What was not durable at any kill is in the end: the slot kept it.
        var end = Lsn.Parse(await PostgresKillBench.AskAsync<string>(bench.Database, "SELECT pg_current_wal_insert_lsn()::text"));
        await bench.UntilAsync($"SELECT count(*) FROM pg_replication_slots WHERE restart_lsn >= '{end}'", caughtUp => caughtUp == 1);
        await bench.LogShouldReachAsync(end, writer);
        writer.CommitsBefore(end).ShouldBeGreaterThan(0);
        (await bench.Site.SnapshotsAsync()).Count(made => made.SourceKind == PostgresSource.Kind).ShouldBe(1);
    }

    [Fact]
    public async Task Restore_AgentKilledAtRandom_NeverPassesForCompleteAndIsContinued()
    {
        var random = Begin("restore");
        await using var bench = await PostgresKillBench.StartAsync(ballastMebibytes: 64, receivesLog: false);
        var ballast = await bench.BallastAsync();
        await bench.StartAgentAsync();
        var snapshot = (await SucceedAsync(bench, "backup-0", PostgresKillBench.Backup())).Backup!.SnapshotId;
        var pattern = bench.NewFolder();
        var longest = await MeasureAsync(() => SucceedAsync(bench, "pattern", PostgresKillBench.Restore(snapshot, pattern) with { Proof = null }));
        var expected = Listing(pattern);
        var killedMidway = 0;
        for (var kill = 1; kill <= _kills; kill++)
        {
            // The proof follows at once: some kills hit it.
            var (order, folder) = ($"restore-{kill}", bench.NewFolder());
            (await bench.Site.OrderAsync(order, PostgresKillBench.Restore(snapshot, folder))).Refusal.ShouldBeNull();
            await KillAsync(bench, longest * 1.2, random);
            var isMarked = File.Exists(Path.Combine(folder, "data", ".restore-in-progress"));
            // It comes last, and is made before it is written: an empty one starts nothing.
            var canStart = new FileInfo(Path.Combine(folder, "data", "global", "pg_control")) is { Exists: true, Length: > 0 };
            var state = isMarked ? "midway" : canStart ? "complete" : "not begun";
            killedMidway += isMarked ? 1 : 0;
            if (isMarked && canStart)
                Listing(folder).ShouldBe(expected, "what can be started is whole");
            else if (!isMarked && !canStart)
                Listing(folder).ShouldBeEmpty("what is unfinished says so");
            await bench.VaultShouldBeSoundAsync($"after kill {kill}");

            await bench.StartAgentAsync();
            (await SucceedAsync(bench, order, null)).Restore!.Proof!.IsProven.ShouldBeTrue();
            File.Exists(Path.Combine(folder, "data", ".restore-in-progress")).ShouldBeFalse();
            await bench.ShouldHoldAsync(folder, 0, ballast);
            Report($"kill {kill}: {state}");
        }

        Report($"{_kills} kills, {killedMidway} midway");
    }

    private Random Begin(string what)
    {
        Report($"{what}: POSTGRES_KILL_SEED={_seed} POSTGRES_KILLS={_kills}");
        return new Random(_seed);
    }

    /// <summary>The moment of the kill is the random input of these tests, not a wait for anything.</summary>
    private static async Task KillAsync(PostgresKillBench bench, TimeSpan within, Random random)
    {
        await Task.Delay(within * random.NextDouble(), Cancel);
        await bench.KillAgentAsync();
    }

    /// <summary>Orders (or not: it goes on by itself after a kill) and waits for the success.</summary>
    private static async Task<JobReport> SucceedAsync(PostgresKillBench bench, string order, OrderPayload<JobTicket>? payload)
    {
        var report = payload is null ? await bench.Site.WaitForEndAsync(order) : await bench.Site.RunAsync(order, payload);
        report.State.ShouldBe(JobState.Succeeded, $"{order}: {report.Failure?.Message}");
        return report;
    }

    private static async Task<TimeSpan> MeasureAsync(Func<Task> act)
    {
        var watch = Stopwatch.StartNew();
        await act();
        return watch.Elapsed;
    }

    private static List<string> Listing(string folder) => [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
        .Where(file => Path.GetFileName(file) != ".restore-in-progress")
        .Select(file => $"{Path.GetRelativePath(folder, file)} {new FileInfo(file).Length}")
        .Order(StringComparer.Ordinal)];

    private static void Report(string line)
    {
        TestContext.Current.TestOutputHelper?.WriteLine(line);
        TestContext.Current.SendDiagnosticMessage(line);
    }

    private static int? Number(string variable) => int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out var number) ? number : null;
}
