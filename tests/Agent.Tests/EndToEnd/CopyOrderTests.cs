using Backup.AgentApi;
using Backup.Vault.Storage;
using Shouldly;

namespace Backup.Agent.Tests.EndToEnd;

/// <summary>Copies of a vault on another node's storage, and vaults verified and mended by their caretaker: through a real relay, on real vaults.</summary>
public sealed class CopyOrderTests : IAsyncLifetime
{
    private readonly CancellationToken _cancel = TestContext.Current.CancellationToken;
    private AgentBench _bench = null!;

    public async ValueTask InitializeAsync()
    {
        _bench = await AgentBench.StartAsync();
        Directory.CreateDirectory(_bench.Scratch["second-node"]);
        Configure();
    }

    public ValueTask DisposeAsync() => _bench.DisposeAsync();

    [Fact]
    public async Task Copy_ToAnotherNode_IsAWholeVaultThatIsLookedAtTidiedAndRestoredFrom()
    {
        var (first, vault) = await BackUpAsync("backup-1");
        var copied = await CopyAsync("copy-1", first);
        copied.ObjectsCopied.ShouldBe(copied.ObjectsTotal);
        (await CopyAsync("copy-2", first)).ObjectsCopied.ShouldBe(0, "nothing is new");

        var (second, _) = await BackUpAsync("backup-2");
        var difference = await CopyAsync("copy-3", second);
        difference.ObjectsCopied.ShouldBeInRange(1, difference.ObjectsTotal - 1);
        (await LookAsync("look-1", difference, vault)).ShouldSatisfyAllConditions(
            look => look.IsSound.ShouldBeTrue(string.Join('\n', look.Problems)),
            look => look.ObjectsChecked.ShouldBe(difference.ObjectsTotal),
            look => look.ObjectsRead.ShouldBe(difference.ObjectsCopied));
        (await LookAsync("look-2", difference, vault, part: 0, parts: 1)).ObjectsRead.ShouldBe(difference.ObjectsTotal);

        // The copy is all that is left.
        Directory.Delete(_bench.VaultFolder, recursive: true);
        var restored = await _bench.RunAsync("restore-1", AgentBench.Restore(second, _bench.Scratch["restore/a"], RestoreOrigin.FromCopy("second", vault)));
        restored.State.ShouldBe(JobState.Succeeded, restored.Failure?.Message);
        _bench.ShouldBeRestored(_bench.Scratch["restore/a"]);
    }

    [Fact]
    public async Task Copy_DamagedOnTheOtherNode_GoesToQuarantineAndComesAnew()
    {
        var (snapshot, vault) = await BackUpAsync("backup-1");
        var copied = await CopyAsync("copy-1", snapshot);
        var pack = CopiedPack(vault);
        Flip(pack);
        var found = await LookAsync("look-1", copied, vault, part: 0, parts: 1, quarantine: true);
        (found.IsSound, found.ProblemsTotal, found.Quarantined).ShouldBe((false, 1, 1));
        found.Problems.ShouldHaveSingleItem().ShouldContain(Path.GetFileName(pack));
        Directory.EnumerateFiles(_bench.Scratch[$"second-node/{vault}/quarantine"], "*", SearchOption.AllDirectories).ShouldHaveSingleItem();

        var anew = await CopyAsync("copy-2", snapshot);
        anew.ObjectsCopied.ShouldBe(1);
        (await LookAsync("look-2", anew, vault, part: 0, parts: 1)).IsSound.ShouldBeTrue();
    }

    [Fact]
    public async Task Copy_ManifestIsGone_IsAFinding()
    {
        var (snapshot, vault) = await BackUpAsync("backup-1");
        var copied = await CopyAsync("copy-1", snapshot);
        Directory.Delete(_bench.Scratch[$"second-node/{vault}/replica-manifests"], recursive: true);
        (await LookAsync("look-1", copied, vault)).ShouldSatisfyAllConditions(look => look.IsSound.ShouldBeFalse(), look => look.ProblemsTotal.ShouldBe(1));
    }

    [Fact]
    public async Task Copy_PlaceIsNotMountedOrNotKnown_WritesNothing()
    {
        var (snapshot, _) = await BackUpAsync("backup-1");
        Directory.Delete(_bench.Scratch["second-node"]);
        var away = await _bench.RunAsync("copy-1", Copy(snapshot));
        (away.State, away.Failure!.Code, away.Failure.IsTransient).ShouldBe((JobState.Failed, FailureCode.ReplicaUnavailable, true));
        Directory.Exists(_bench.Scratch["second-node"]).ShouldBeFalse();
        (await _bench.RunAsync("copy-2", Copy(snapshot) with { Copy = "third" })).Failure!.Code.ShouldBe(FailureCode.UnknownVault);
        (await _bench.OrderAsync("health-1", new HealthQuery())).Value!.Copies.ShouldHaveSingleItem().Failure!.Code.ShouldBe(FailureCode.ReplicaUnavailable);
        Directory.CreateDirectory(_bench.Scratch["second-node"]);
        (await _bench.OrderAsync("health-2", new HealthQuery())).Value!.Copies.ShouldHaveSingleItem().BytesTotal.ShouldNotBeNull().ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task Copy_FromAVaultWithoutKeys_Works()
    {
        var (snapshot, _) = await BackUpAsync("backup-1");
        await _bench.StopAgentAsync();
        Configure(pulled: true);
        await _bench.StartAgentAsync();
        (await _bench.RunAsync("copy-1", Copy(snapshot) with { Vault = "of-another-agent" })).State.ShouldBe(JobState.Succeeded);
        (await _bench.RunAsync("backup-2", _bench.Backup() with { Vault = "of-another-agent" })).Failure!.Code.ShouldBe(FailureCode.KeyRefused);
        (await _bench.OrderAsync("health-1", new HealthQuery())).Value!.Vaults.Single(v => v.Name == "of-another-agent").ShouldSatisfyAllConditions(v => v.VaultId.ShouldNotBeNull(), v => v.Failure.ShouldBeNull());
    }

    [Fact]
    public async Task Tidy_AfterAPrune_RemovesWhatTheOrderNamesAndNothingThatTheManifestLists()
    {
        await BecomeCaretakerAsync();
        var (first, vault) = await BackUpAsync("backup-1");
        var (second, _) = await BackUpAsync("backup-2");
        await CopyAsync("copy-1", second);
        (await _bench.RunAsync("prune-1", new PruneOrder { Vault = "main", Drops = [first] })).State.ShouldBe(JobState.Succeeded);
        var fresh = await CopyAsync("copy-2", second);
        var tidied = await _bench.RunAsync("tidy-1", new TidyOrder { Vault = "main", Place = "second", ManifestName = fresh.ManifestName, ManifestSha256 = fresh.ManifestSha256, OrderedAt = DateTimeOffset.UtcNow, Drops = [first, second] });
        tidied.State.ShouldBe(JobState.Succeeded, tidied.Failure?.Message);
        tidied.Tidy!.ObjectsRemoved.ShouldBeGreaterThanOrEqualTo(1);
        var snapshots = new List<string>();
        await foreach (var found in new FileSystemObjectStore(_bench.Scratch[$"second-node/{vault}"]).ListAsync(ObjectKind.Snapshot, _cancel))
        {
            snapshots.Add(found.Name.Hash.ToString());
        }

        snapshots.ShouldBe([second], "the vault's own manifest lists it, whatever the order says");
        var restored = await _bench.RunAsync("restore-1", AgentBench.Restore(second, _bench.Scratch["restore/a"], RestoreOrigin.FromCopy("second", vault)));
        restored.State.ShouldBe(JobState.Succeeded, restored.Failure?.Message);
    }

    [Fact]
    public async Task Verify_DamagedAndMissingPacks_AreMendedFromTheOtherNode()
    {
        await BecomeCaretakerAsync();
        var (snapshot, vault) = await BackUpAsync("backup-1");
        await CopyAsync("copy-1", snapshot);
        var packs = Packs(_bench.VaultFolder, "data");
        Flip(packs[0]);
        File.Delete(Packs(_bench.VaultFolder, "meta")[0]);

        var report = await _bench.RunAsync("verify-1", Verify() with { RepairFrom = [RestoreOrigin.FromCopy("second", vault)] });
        report.State.ShouldBe(JobState.Succeeded, report.Failure?.Message);
        report.Verify!.ShouldSatisfyAllConditions(
            v => v.Depth.ShouldBe("data"),
            v => v.ProblemsTotal.ShouldBe(2),
            v => v.Mended.ShouldBe(2),
            v => v.Quarantined.ShouldBe(1),
            v => v.IsSound.ShouldBeTrue(),
            v => v.RepairFailure.ShouldBeNull());
        Directory.EnumerateFiles(Path.Combine(_bench.VaultFolder, "quarantine"), "*", SearchOption.AllDirectories).ShouldHaveSingleItem();
        (await _bench.RunAsync("verify-2", Verify())).Verify!.ShouldSatisfyAllConditions(v => v.ProblemsTotal.ShouldBe(0), v => v.OldestVerification.ShouldNotBeNull());
        (await _bench.RunAsync("restore-1", AgentBench.Restore(snapshot, _bench.Scratch["restore/a"]))).State.ShouldBe(JobState.Succeeded);
        _bench.ShouldBeRestored(_bench.Scratch["restore/a"]);
    }

    [Fact]
    public async Task Verify_ConfigIsDamaged_IsMendedToo()
    {
        await BecomeCaretakerAsync();
        var (snapshot, vault) = await BackUpAsync("backup-1");
        await CopyAsync("copy-1", snapshot);
        Flip(Packs(_bench.VaultFolder, "config")[0]);
        (await _bench.RunAsync("verify-1", Verify())).Failure!.Code.ShouldBe(FailureCode.VaultDamaged);
        var report = await _bench.RunAsync("verify-2", Verify() with { RepairFrom = [RestoreOrigin.FromCopy("second", vault)] });
        report.State.ShouldBe(JobState.Succeeded, report.Failure?.Message);
        (report.Verify!.ProblemsTotal, report.Verify.IsSound).ShouldBe((1, true));
    }

    [Fact]
    public async Task Verify_AgentThatOnlyBacksUp_FindsDamageAndMendsNothing()
    {
        await _bench.StartAgentAsync();
        var (snapshot, vault) = await BackUpAsync("backup-1", start: false);
        await CopyAsync("copy-1", snapshot);
        var pack = Packs(_bench.VaultFolder, "data")[0];
        Flip(pack);
        var damaged = File.ReadAllBytes(pack);
        var report = await _bench.RunAsync("verify-1", Verify() with { RepairFrom = [RestoreOrigin.FromCopy("second", vault)] });
        (report.Verify!.IsSound, report.Verify.Mended, report.Verify.RepairFailure!.Code).ShouldBe((false, 0, FailureCode.KeyRefused));
        File.ReadAllBytes(pack).ShouldBe(damaged);
    }

    [Fact]
    public async Task Verify_NobodyHasAHealthyCopy_SaysSoAndKeepsTheDamagedOne()
    {
        await BecomeCaretakerAsync();
        var (snapshot, vault) = await BackUpAsync("backup-1");
        await CopyAsync("copy-1", snapshot);
        var pack = Packs(_bench.VaultFolder, "data")[0];
        Flip(pack);
        File.Delete(_bench.Scratch[$"second-node/{vault}/{Path.GetRelativePath(_bench.VaultFolder, pack)}"]);
        var report = await _bench.RunAsync("verify-1", Verify() with { RepairFrom = [RestoreOrigin.FromCopy("second", vault)] });
        (report.Verify!.IsSound, report.Verify.Mended, report.Verify.Quarantined, report.Verify.RepairFailure!.Code).ShouldBe((false, 0, 0, FailureCode.VaultDamaged));
        File.Exists(pack).ShouldBeTrue("most of what is in it may still be good");
    }

    [Fact]
    public async Task Verify_Sampled_CoversEveryPackInTheNumberOfRunsThatTheShareStandsFor()
    {
        await BecomeCaretakerAsync();
        await BackUpAsync("backup-1");
        await BackUpAsync("backup-2");
        var packs = Packs(_bench.VaultFolder, "data").Count + Packs(_bench.VaultFolder, "meta").Count;
        packs.ShouldBeGreaterThan(2);
        for (var run = 1; run < packs; run++)
        {
            (await _bench.RunAsync($"verify-{run}", Verify() with { SamplePercent = 100.0 / packs })).Verify!.OldestVerification.ShouldBeNull();
        }

        (await _bench.RunAsync("verify-last", Verify() with { SamplePercent = 100.0 / packs })).Verify!.OldestVerification.ShouldNotBeNull();
    }

    private static VerifyOrder Verify() => new() { Vault = "main" };

    private static ReplicateOrder Copy(string snapshot) => new() { Vault = "main", SnapshotId = snapshot, Copy = "second" };

    private void Configure(bool pulled = false, string? pruneKey = null)
    {
        _bench.Configure(extra: $"copies: {{ second: {_bench.Scratch["second-node"]} }}", pruneKey: pruneKey);
        if (pulled)
        {
            var settings = File.ReadAllText(_bench.ConfigFile);
            File.WriteAllText(_bench.ConfigFile, settings.Replace("vaults:\n", $"vaults:\n  of-another-agent: {{ path: {_bench.VaultFolder} }}\n", StringComparison.Ordinal));
        }
    }

    private async Task BecomeCaretakerAsync()
    {
        Configure(pruneKey: "restore.key");
        await _bench.StartAgentAsync();
        _isStarted = true;
    }

    private bool _isStarted;

    private async Task<(string Snapshot, string Vault)> BackUpAsync(string id, bool start = true)
    {
        if (start && !_isStarted)
        {
            await _bench.StartAgentAsync();
        }

        _isStarted = true;
        _bench.FillData(4, 20_000);
        var report = await _bench.RunAsync(id, _bench.Backup());
        report.State.ShouldBe(JobState.Succeeded, report.Failure?.Message);
        return (report.Backup!.SnapshotId, report.Backup.VaultId);
    }

    private async Task<ReplicateResult> CopyAsync(string id, string snapshot)
    {
        var report = await _bench.RunAsync(id, Copy(snapshot));
        report.State.ShouldBe(JobState.Succeeded, report.Failure?.Message);
        return report.Replicate!;
    }

    private async Task<VerifyResult> LookAsync(string id, ReplicateResult copied, string vault, int? part = null, int? parts = null, bool quarantine = false)
    {
        var report = await _bench.RunAsync(id, Verify() with
        {
            Copy = new CopyToVerify { Place = "second", VaultId = vault, ManifestName = copied.ManifestName, ManifestSha256 = copied.ManifestSha256, Part = part, Parts = parts, Quarantine = quarantine },
        });
        report.State.ShouldBe(JobState.Succeeded, report.Failure?.Message);
        return report.Verify!;
    }

    private string CopiedPack(string vault) => Packs(_bench.Scratch[$"second-node/{vault}"], "data")[0];

    private static List<string> Packs(string vault, string kind) => [.. Directory.EnumerateFiles(Path.Combine(vault, kind), "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];

    private static void Flip(string file)
    {
        var bytes = File.ReadAllBytes(file);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(file, bytes);
    }
}
