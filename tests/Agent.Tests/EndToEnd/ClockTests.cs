using Backup.Agent.Settings;
using Backup.Agent.Vaults;
using Backup.Agent.Work;
using Backup.AgentApi;
using Microsoft.Extensions.Time.Testing;
using Shouldly;

namespace Backup.Agent.Tests.EndToEnd;

/// <summary>The agent's clock is years off: what is deleted, and when, is decided by the control plane's time in the order.</summary>
public sealed class ClockTests : IAsyncLifetime
{
    private static readonly DateTimeOffset Now = DateTimeOffset.UtcNow;
    private readonly CancellationToken _cancel = TestContext.Current.CancellationToken;
    private AgentBench _bench = null!;

    public async ValueTask InitializeAsync()
    {
        _bench = await AgentBench.StartAsync();
        Directory.CreateDirectory(_bench.Scratch["second-node"]);
        _bench.Configure(extra: $"copies: {{ second: {_bench.Scratch["second-node"]} }}", pruneKey: "restore.key");
    }

    public ValueTask DisposeAsync() => _bench.DisposeAsync();

    [Theory]
    [InlineData(-20)]
    [InlineData(20)]
    public async Task PruneAndTidy_AgentsClockYearsOff_GoByTheOrdersTime(int years)
    {
        var shelf = new VaultShelf(AgentSettingsFile.Load(_bench.ConfigFile), new FakeTimeProvider(Now.AddYears(years)));
        await _bench.StartAgentAsync();
        var first = await BackUpAsync("backup-1");
        await CopyAsync("copy-1", first);
        var second = await BackUpAsync("backup-2");

        (await PruneAsync(shelf, Now, first)).PacksMarked.ShouldBeGreaterThan(0);
        (await PruneAsync(shelf, Now.AddDays(13))).PacksDeleted.ShouldBe(0, "the grace period lasts 14 days, whatever this clock says");
        (await PruneAsync(shelf, Now.AddDays(15))).PacksDeleted.ShouldBeGreaterThan(0);

        var fresh = await CopyAsync("copy-2", second);
        var manifests = Path.GetDirectoryName(_bench.Scratch[$"second-node/{fresh.ManifestName}"])!;
        (await TidyAsync(shelf, fresh, Now.AddHours(23), first)).ObjectsRemoved.ShouldBeGreaterThan(1);
        Directory.GetFiles(manifests).Length.ShouldBe(2, "the older manifest may belong to a replication that is not recorded yet");
        await TidyAsync(shelf, fresh, Now.AddHours(25), first);
        Path.GetFileName(Directory.GetFiles(manifests).ShouldHaveSingleItem()).ShouldBe(Path.GetFileName(fresh.ManifestName));
    }

    /// <summary>A whole agent, behind a real relay: it takes no order, so nothing is deleted, and its log says what is wrong.</summary>
    [Fact]
    public async Task Order_AgentsClockYearsAhead_IsRefusedAndTheLogSaysBothTimes()
    {
        await _bench.StartAgentAsync();
        var snapshot = await BackUpAsync("backup-1");
        await _bench.StopAgentAsync();
        var lines = await _bench.StartAgentAsync(new ShiftedTime(TimeSpan.FromDays(20 * 365)));
        var reply = await _bench.PostAsync(_bench.Seal("prune-1", new PruneOrder { Vault = "main", Drops = [snapshot], AllowsLast = true }).Envelope);
        reply.ShouldBeOfType<Backup.Relay.RelayReply.Answered>().StatusCode.ShouldBe(400);
        (await _bench.SnapshotsAsync()).ShouldHaveSingleItem();
        var line = lines.Tail(new LogQuery { Lines = LogQuery.LinesMax }).Lines.Select(l => l.Text).Where(t => t.Contains("not accepted", StringComparison.Ordinal)).ShouldHaveSingleItem();
        line.ShouldContain("Expired");
        line.ShouldContain($"issued at {DateTimeOffset.UtcNow:yyyy-}");
        line.ShouldContain($"here it is {DateTimeOffset.UtcNow.AddDays(20 * 365):yyyy-}");
    }

    private sealed class ShiftedTime(TimeSpan shift) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + shift;
    }

    private async Task<string> BackUpAsync(string id)
    {
        _bench.FillData(4, 20_000);
        return (await _bench.RunAsync(id, _bench.Backup())).Backup!.SnapshotId;
    }

    private async Task<ReplicateResult> CopyAsync(string id, string snapshot) =>
        (await _bench.RunAsync(id, new ReplicateOrder { Vault = "main", SnapshotId = snapshot, Copy = "second" })).Replicate!;

    private async Task<PruneResult> PruneAsync(VaultShelf shelf, DateTimeOffset orderedAt, params string[] drops) =>
        (await new PruneWork(shelf, new FakeTimeProvider()).RunAsync(new PruneOrder { Vault = "main", Drops = drops, OrderedAt = orderedAt }, new Progress<JobProgress>(), _cancel)).Prune!;

    private async Task<TidyResult> TidyAsync(VaultShelf shelf, ReplicateResult copied, DateTimeOffset orderedAt, string drop) => (await new TidyWork(shelf).RunAsync(
        new TidyOrder { Vault = "main", Place = "second", ManifestName = copied.ManifestName, ManifestSha256 = copied.ManifestSha256, OrderedAt = orderedAt, Drops = [drop] }, _cancel)).Tidy!;
}
