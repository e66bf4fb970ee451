using Backup.Vault.Indexing;
using Backup.Vault.Pruning;
using Backup.Vault.Replicating;
using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Backup.Vault.Verifying;
using Shouldly;

namespace Backup.Vault.Tests.Verifying;

public sealed class VerifyAndRepairTests
{
    private readonly MemoryObjectStore _store = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static Dictionary<string, byte[]> Files { get; } = Enumerable.Range(0, 5).ToDictionary(i => $"f{i}", i => TestVault.Bytes(i, 400_000));

    public static TheoryData<ObjectKind> KindsOfACopy => [ObjectKind.Config, ObjectKind.Keys, ObjectKind.DataPack, ObjectKind.MetaPack, ObjectKind.ChunkMap, ObjectKind.Snapshot];

    [Theory]
    [MemberData(nameof(KindsOfACopy))]
    public async Task BitFlip_InAnyKind_IsFoundWithoutKeysAndRepairedFromAReplica(ObjectKind kind)
    {
        var vault = await TestVault.CreateAsync(_store);
        var snapshot = await vault.BackupAsync(Files);
        var replica = new MemoryObjectStore();
        (await Replicator.CopyAsync(_store, replica, new CopyRequest(), null, Cancel)).IsComplete.ShouldBeTrue();
        foreach (var at in (double[])[0, 0.3, 0.5, 0.999])
        {
            foreach (var victim in _store.Objects.Keys.Where(n => n.Kind == kind).ToList())
            {
                var damaged = (byte[])_store.Objects[victim].Clone();
                damaged[(int)(damaged.Length * at)] ^= 0x10;
                _store.Objects[victim] = damaged;

                // A damaged config is found by whoever opens the place; the rest by a keyless run.
                IReadOnlyList<ObjectProblem> problems = kind == ObjectKind.Config
                    ? [new ObjectProblem(victim, ObjectProblemKind.WrongHash, (await Should.ThrowAsync<VaultException>(() => OpenVault.IdentifyAsync(_store, Cancel))).Message)]
                    : (await Verifier.VerifyWithoutKeyAsync(_store, new VerifyRequest { WriteLedger = false }, TimeProvider.System, null, Cancel)).Problems;
                problems.ShouldContain(p => p.Name == victim && p.Kind == ObjectProblemKind.WrongHash);
                var outcomes = await Repairer.RepairAsync(_store, problems, [new MemoryObjectStore(), replica], Cancel);
                outcomes.Single(o => o.Problem.Name == victim).RepairedFrom.ShouldNotBeNull();
                victim.Matches(_store.Objects[victim]).ShouldBeTrue();
            }
        }

        (await Verifier.VerifyAsync(await vault.OpenAsync(), new VerifyRequest { Depth = VerifyDepth.Data }, null, Cancel)).IsSound.ShouldBeTrue();
        TestVault.Same(Files, await vault.ReadBackAsync(snapshot.Id)).ShouldBeTrue();
    }

    [Theory]
    [InlineData(ObjectKind.DataPack)]
    [InlineData(ObjectKind.MetaPack)]
    public async Task MissingPack_IsFoundByTheListingAndRepaired(ObjectKind kind)
    {
        var vault = await TestVault.CreateAsync(_store);
        await vault.BackupAsync(Files);
        var replica = _store.Clone();
        var victim = _store.Objects.Keys.First(n => n.Kind == kind);
        _store.Objects.TryRemove(victim, out _);

        var report = await Verifier.VerifyAsync(await vault.OpenForBackupAsync(), new VerifyRequest { Depth = VerifyDepth.Listing }, null, Cancel);
        report.Problems.ShouldHaveSingleItem().Kind.ShouldBe(ObjectProblemKind.Missing);
        (await Repairer.RepairAsync(_store, report.Problems, [replica], Cancel)).ShouldHaveSingleItem().RepairedFrom.ShouldBe("memory");
        (await Verifier.VerifyAsync(await vault.OpenForBackupAsync(), new VerifyRequest { Depth = VerifyDepth.Listing }, null, Cancel)).IsSound.ShouldBeTrue();
    }

    [Theory]
    [InlineData(ObjectKind.DataPack, false)]
    [InlineData(ObjectKind.MetaPack, false)]
    [InlineData(ObjectKind.DataPack, true)]
    [InlineData(ObjectKind.MetaPack, true)]
    public async Task LostPacks_OfWhatTheSourceStillHas_ComeBackWithTheNextBackup(ObjectKind kind, bool areTruncated)
    {
        var vault = await TestVault.CreateAsync(_store);
        var first = await vault.BackupAsync(Files);
        foreach (var victim in _store.Objects.Keys.Where(n => n.Kind == kind).ToList())
        {
            if (areTruncated) _store.Objects[victim] = _store.Objects[victim][..100];
            else _store.Objects.TryRemove(victim, out _);
        }

        await Should.ThrowAsync<VaultException>(() => vault.ReadBackAsync(first.Id));
        var second = await vault.BackupAsync(Files);
        TestVault.Same(Files, await vault.ReadBackAsync(second.Id)).ShouldBeTrue();
        TestVault.Same(Files, await vault.ReadBackAsync(first.Id)).ShouldBeTrue();
        var open = await vault.OpenAsync();
        (await Verifier.VerifyAsync(open, new VerifyRequest { Depth = VerifyDepth.Data }, null, Cancel)).MissingPieces.ShouldBeEmpty();

        // The next prune forgets what was lost.
        var atOnce = new PruneRequest { Grace = TimeSpan.Zero, NoWriterIsRunning = true };
        await Pruner.ExecuteAsync(open, await Pruner.PlanAsync(open, atOnce, Cancel), null, Cancel);
        (await Verifier.VerifyAsync(open, new VerifyRequest { Depth = VerifyDepth.Data }, null, Cancel)).IsSound.ShouldBeTrue();
        TestVault.Same(Files, await vault.ReadBackAsync(first.Id)).ShouldBeTrue();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task DataPackThatIsMissingOrDamaged_IsNamedWithTheFilesThatItTakesAlong(bool isMissing)
    {
        var vault = await TestVault.CreateAsync(_store);
        var before = _store.Objects.Keys.ToHashSet();
        await vault.BackupAsync(new Dictionary<string, byte[]> { ["lost"] = TestVault.Bytes(1, 10_000) }, "one");
        var victim = _store.Objects.Keys.Except(before).Single(n => n.Kind == ObjectKind.DataPack);
        await vault.BackupAsync(new Dictionary<string, byte[]> { ["lost"] = TestVault.Bytes(1, 10_000), ["safe"] = TestVault.Bytes(2, 10_000) }, "two");
        if (isMissing) _store.Objects.TryRemove(victim, out _);
        else _store.Objects[victim] = [.. _store.Objects[victim].Select((b, i) => i == 500 ? (byte)(b ^ 1) : b)];

        var report = await Verifier.VerifyAsync(await vault.OpenAsync(), new VerifyRequest { Depth = VerifyDepth.Data }, null, Cancel);
        report.Problems.ShouldHaveSingleItem().Name.ShouldBe(victim);
        report.MissingPieces.Select(m => m.Path).ShouldBe(["/files/lost", "/files/lost"]);
        report.MissingPieces.Select(m => m.Snapshot).Distinct().Count().ShouldBe(2);
    }

    [Fact]
    public async Task BackupWhileAVerificationBegins_IsNoFinding()
    {
        var vault = await TestVault.CreateAsync(_store);
        await vault.BackupAsync(Files);
        var store = new BusyStore(_store, ObjectKind.MetaPack, () => vault.BackupAsync(new Dictionary<string, byte[]> { ["new"] = TestVault.Bytes(9, 50_000) }));
        var report = await Verifier.VerifyAsync(await vault.Through(store).OpenAsync(), new VerifyRequest { Depth = VerifyDepth.Data }, null, Cancel);
        store.HasWritten.ShouldBeTrue();
        report.IsSound.ShouldBeTrue();
    }

    [Fact]
    public async Task TruncatedPack_IsFoundByTheListing()
    {
        var vault = await TestVault.CreateAsync(_store);
        await vault.BackupAsync(Files);
        var victim = _store.Objects.Keys.First(n => n.Kind == ObjectKind.DataPack);
        _store.Objects[victim] = _store.Objects[victim][..^1];
        var report = await Verifier.VerifyAsync(await vault.OpenForBackupAsync(), new VerifyRequest { Depth = VerifyDepth.Listing }, null, Cancel);
        report.Problems.ShouldHaveSingleItem().Kind.ShouldBe(ObjectProblemKind.WrongLength);
    }

    [Fact]
    public async Task SampledRuns_WithTheLedger_CoverEverythingInTheStatedNumberOfRuns()
    {
        var vault = await TestVault.CreateAsync(_store);
        for (var i = 0; i < 5; i++) await vault.BackupAsync(new Dictionary<string, byte[]> { ["f"] = TestVault.Bytes(i, 100_000) });
        var request = new VerifyRequest { SamplePercent = 30 };
        VerifyReport? last = null;
        for (var run = 1; run <= 4; run++)
        {
            last = await Verifier.VerifyWithoutKeyAsync(_store, request, TimeProvider.System, null, Cancel);
            (last.OldestVerification is not null).ShouldBe(run == 4);
        }

        last!.PacksRead.ShouldBe(3);
        last.PacksTotal.ShouldBe(10);
    }

    [Theory]
    [InlineData(7, false)]
    [InlineData(25, false)]
    [InlineData(25, true)]
    [InlineData(33.4, true)]
    [InlineData(100, true)]
    public async Task SampledRuns_DailyAtAnyShare_ReadEveryPackWithinTheStatedDaysAlsoAfterALostLedger(double percent, bool ledgerIsDamaged)
    {
        var vault = await TestVault.CreateAsync(_store);
        for (var i = 0; i < 6; i++) await vault.BackupAsync(new Dictionary<string, byte[]> { ["f"] = TestVault.Bytes(i, 100_000) });
        var time = new ManualTime();
        var request = new VerifyRequest { SamplePercent = percent };
        if (ledgerIsDamaged)
        {
            for (var run = 0; run < 3; run++) await Verifier.VerifyWithoutKeyAsync(_store, request, time, null, Cancel);
            foreach (var name in _store.Objects.Keys.Where(n => n.Kind == ObjectKind.Ledger).ToList()) _store.Objects[name][^1] ^= 1;
            time.Advance(TimeSpan.FromDays(1));
        }

        var begun = time.GetUtcNow();
        for (var run = 1; run <= request.RunsToCoverAll; run++)
        {
            var report = await Verifier.VerifyWithoutKeyAsync(_store, request, time, null, Cancel);
            // The damage is told once, and the ledger is sound again: what it cannot say counts as not verified.
            report.Problems.Count.ShouldBe(ledgerIsDamaged && run == 1 ? report.Problems.Count(p => p.Name.Kind == ObjectKind.Ledger) : 0);
            (run == 1 && ledgerIsDamaged).ShouldBe(report.Problems.Count > 0);
            if (run == request.RunsToCoverAll) report.OldestVerification.ShouldNotBeNull().ShouldBeGreaterThanOrEqualTo(begun);
            time.Advance(TimeSpan.FromDays(1));
        }
    }

    [Fact]
    public async Task Ledger_ThatClaimsTheFuture_PutsNothingOff()
    {
        var vault = await TestVault.CreateAsync(_store);
        await vault.BackupAsync(Files);
        var time = new ManualTime();
        time.Advance(TimeSpan.FromDays(36_500));
        await Verifier.VerifyWithoutKeyAsync(_store, new VerifyRequest(), time, null, Cancel);
        var report = await Verifier.VerifyWithoutKeyAsync(_store, new VerifyRequest { SamplePercent = 1 }, new ManualTime(), null, Cancel);
        report.PacksRead.ShouldBe(1);
        report.OldestVerification.ShouldBeNull();
    }

    [Fact]
    public async Task Ledger_OverManyRuns_IsMerged()
    {
        var vault = await TestVault.CreateAsync(_store);
        await vault.BackupAsync(Files);
        var time = new ManualTime();
        for (var run = 0; run < 40; run++)
        {
            time.Advance(TimeSpan.FromHours(1));
            (await Verifier.VerifyWithoutKeyAsync(_store, new VerifyRequest(), time, null, Cancel)).IsSound.ShouldBeTrue();
        }

        _store.Objects.Keys.Count(n => n.Kind == ObjectKind.Ledger).ShouldBeLessThan(20);
    }

    [Fact]
    public async Task RebuildIndex_WhenAllIndexObjectsAreLost_BringsEverythingBack()
    {
        var vault = await TestVault.CreateAsync(_store);
        var snapshot = await vault.BackupAsync(Files);
        foreach (var name in _store.Objects.Keys.Where(n => n.Kind == ObjectKind.ChunkMap).ToList()) _store.Objects.TryRemove(name, out _);
        (await Should.ThrowAsync<VaultException>(() => vault.ReadBackAsync(snapshot.Id))).Fault.ShouldBe(VaultFault.NotFound);

        var report = await IndexRebuilder.RebuildAsync(await vault.OpenForBackupAsync(), null, Cancel);
        report.Problems.ShouldBeEmpty();
        TestVault.Same(Files, await vault.ReadBackAsync(snapshot.Id)).ShouldBeTrue();
        (await Verifier.VerifyAsync(await vault.OpenAsync(), new VerifyRequest { Depth = VerifyDepth.Data }, null, Cancel)).IsSound.ShouldBeTrue();
    }

    [Fact]
    public async Task Replica_OpensAndReadsLikeTheVault()
    {
        var vault = await TestVault.CreateAsync(_store);
        var snapshot = await vault.BackupAsync(Files);
        var replica = new MemoryObjectStore();
        var first = await Replicator.CopyAsync(_store, replica, new CopyRequest(), null, Cancel);
        first.Inventory.Count.ShouldBe(_store.Objects.Count);
        first.Copied.Count.ShouldBe(first.Inventory.Count);
        var second = await Replicator.CopyAsync(_store, replica, new CopyRequest(), null, Cancel);
        second.Copied.ShouldBeEmpty();
        second.Inventory.ShouldBe(first.Inventory);
        TestVault.Same(Files, await vault.Through(replica).ReadBackAsync(snapshot.Id)).ShouldBeTrue();
    }

    [Fact]
    public async Task Copy_OfADamagedPack_SkipsItAndWritesNoSnapshot()
    {
        var vault = await TestVault.CreateAsync(_store);
        await vault.BackupAsync(Files);
        var victim = _store.Objects.Keys.First(n => n.Kind == ObjectKind.DataPack);
        _store.Objects[victim] = [.. _store.Objects[victim].Select((b, i) => i == 500 ? (byte)(b ^ 1) : b)];
        var replica = new MemoryObjectStore();
        var report = await Replicator.CopyAsync(_store, replica, new CopyRequest(), null, Cancel);
        report.IsComplete.ShouldBeFalse();
        report.Skipped.ShouldContain(victim);
        replica.Objects.Keys.ShouldNotContain(n => n.Kind == ObjectKind.Snapshot || n == victim);
    }

    [Fact]
    public async Task Copy_IntoAnotherVault_IsRefused()
    {
        await TestVault.CreateAsync(_store);
        var other = new MemoryObjectStore();
        await TestVault.CreateAsync(other);
        (await Should.ThrowAsync<VaultException>(() => Replicator.CopyAsync(_store, other, new CopyRequest(), null, Cancel))).Fault.ShouldBe(VaultFault.AlreadyExists);
    }
}
