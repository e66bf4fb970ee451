using Backup.Vault.Encryption;
using Backup.Vault.Indexing;
using Backup.Vault.Pruning;
using Backup.Vault.Replicating;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Backup.Vault.Verifying;
using Shouldly;

namespace Backup.Vault.Tests.Safety;

/// <summary>Every operation is stopped at every single store call, in every way; what was committed must read back, and the next attempt must succeed.</summary>
public sealed class CrashTests
{
    private static readonly PruneRequest AtOnce = new() { Grace = TimeSpan.Zero, NoWriterIsRunning = true };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<StoreFailure> Failures => [.. Enum.GetValues<StoreFailure>()];

    private static Dictionary<string, byte[]> Old { get; } = Enumerable.Range(0, 12).ToDictionary(i => $"old{i}", i => TestVault.Bytes(i, 60_000));

    private static Dictionary<string, byte[]> Kept { get; } = Old.Where((_, i) => i % 4 == 0).Append(new("kept", TestVault.Bytes(77, 700_000))).ToDictionary();

    private static Dictionary<string, byte[]> New { get; } = Kept.Append(new("new", TestVault.Bytes(99, 400_000))).ToDictionary();

    [Theory]
    [MemberData(nameof(Failures))]
    public Task Backup_StoppedAtAnyCall_LosesNothing(StoreFailure failure) => AtEveryCallAsync(failure, async (vault, _) => await vault.BackupAsync(New));

    [Theory]
    [MemberData(nameof(Failures))]
    public Task Prune_StoppedAtAnyCall_LosesNothing(StoreFailure failure) => AtEveryCallAsync(failure, async (vault, drop) =>
    {
        var open = await vault.OpenAsync();
        var present = (await open.ListSnapshotsAsync(Cancel)).Any(s => s.Id == drop);
        await Pruner.ExecuteAsync(open, await Pruner.PlanAsync(open, AtOnce with { Drop = present ? [drop] : [] }, Cancel), null, Cancel);
        return null;
    });

    [Theory]
    [MemberData(nameof(Failures))]
    public Task TwoPhasePrune_StoppedAtAnyCall_LosesNothing(StoreFailure failure) => AtEveryCallAsync(failure, async (vault, drop) =>
    {
        var time = (ManualTime)vault.Time;
        for (var phase = 0; phase < 2; phase++)
        {
            var open = await vault.OpenAsync();
            var present = (await open.ListSnapshotsAsync(Cancel)).Any(s => s.Id == drop);
            await Pruner.ExecuteAsync(open, await Pruner.PlanAsync(open, new PruneRequest { Drop = present ? [drop] : [] }, Cancel), null, Cancel);
            time.Advance(PruneSafety.GraceDefault);
        }

        return null;
    });

    [Theory]
    [MemberData(nameof(Failures))]
    public Task Rotation_StoppedAtAnyCall_KeepsEveryKeyWorking(StoreFailure failure) => AtEveryCallAsync(failure, async (vault, _) =>
    {
        await new KeyAdministration(await vault.OpenAsync()).RotateAsync(Cancel);
        return null;
    });

    [Theory]
    [MemberData(nameof(Failures))]
    public Task RebuildIndex_StoppedAtAnyCall_LosesNothing(StoreFailure failure) => AtEveryCallAsync(failure, async (vault, _) =>
    {
        await IndexRebuilder.RebuildAsync(await vault.OpenForBackupAsync(), null, Cancel);
        return null;
    });

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task Copy_StoppedAtAnyCallOfTheTarget_LeavesACopyThatTheNextOneCompletes(StoreFailure failure)
    {
        var (store, vault, _, kept) = await NewVaultAsync();
        for (var calls = 0; ; calls++)
        {
            var target = new MemoryObjectStore();
            var faulty = new FaultyObjectStore(target, failure, calls);
            await AttemptAsync(() => Replicator.CopyAsync(store, faulty, new CopyRequest { Parallelism = 1 }, null, Cancel));

            // A snapshot in the target promises that all of it is there.
            foreach (var name in target.Objects.Keys.Where(n => n.Kind == ObjectKind.Snapshot))
                TestVault.Same(name == kept.Id.Name ? Kept : Old, await vault.Through(target).ReadBackAsync(new SnapshotId(name.Hash))).ShouldBeTrue();
            (await Replicator.CopyAsync(store, target, new CopyRequest(), null, Cancel)).IsComplete.ShouldBeTrue();
            TestVault.Same(Kept, await vault.Through(target).ReadBackAsync(kept.Id)).ShouldBeTrue();
            if (!faulty.HasFailed) break;
        }
    }

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task Repair_StoppedAtAnyCall_IsCompletedByTheNext(StoreFailure failure)
    {
        var (healthy, vault, _, kept) = await NewVaultAsync();
        for (var calls = 0; ; calls++)
        {
            var store = healthy.Clone();
            foreach (var victim in store.Objects.Keys.Where(n => n.Kind is ObjectKind.DataPack or ObjectKind.ChunkMap).ToList())
                store.Objects[victim] = [.. store.Objects[victim].Select((b, i) => i == 300 ? (byte)(b ^ 4) : b)];
            var faulty = new FaultyObjectStore(store, failure, calls);
            await AttemptAsync(() => RepairAsync(faulty, healthy));
            await RepairAsync(store, healthy);
            var rebuilt = await Replicator.CopyAsync(healthy, store, new CopyRequest(), null, Cancel);
            rebuilt.IsComplete.ShouldBeTrue();
            TestVault.Same(Kept, await vault.Through(store).ReadBackAsync(kept.Id)).ShouldBeTrue();
            if (!faulty.HasFailed) break;
        }
    }

    private static async Task RepairAsync(IObjectStore store, IObjectStore replica)
    {
        var report = await Verifier.VerifyWithoutKeyAsync(store, new VerifyRequest { WriteLedger = false, Parallelism = 1 }, TimeProvider.System, null, Cancel);
        await Repairer.RepairAsync(store, report.Problems, [replica], Cancel);
    }

    private static async Task<(MemoryObjectStore Store, TestVault Vault, SnapshotInfo Drop, SnapshotInfo Kept)> NewVaultAsync()
    {
        var store = new MemoryObjectStore();
        var vault = await TestVault.CreateAsync(store, new ManualTime());
        var drop = await vault.BackupAsync(Old);
        return (store, vault, drop, await vault.BackupAsync(Kept));
    }

    private static async Task AtEveryCallAsync(StoreFailure failure, Func<TestVault, SnapshotId, Task<SnapshotInfo?>> operation)
    {
        var (before, vault, drop, kept) = await NewVaultAsync();
        for (var calls = 0; ; calls++)
        {
            var store = before.Clone();
            var faulty = new FaultyObjectStore(store, failure, calls);
            SnapshotInfo? committed = null;
            var finished = await AttemptAsync(async () => committed = await operation(vault.Through(faulty), drop.Id));
            if (finished && committed is not null) TestVault.Same(New, await vault.Through(store).ReadBackAsync(committed.Id)).ShouldBeTrue();

            // Whatever happened: the kept snapshot reads back, nothing listed is incomplete, and the operation works when tried again.
            await EverythingListedReadsBackAsync(vault.Through(store), kept);
            await operation(vault.Through(store), drop.Id);
            await EverythingListedReadsBackAsync(vault.Through(store), kept);
            if (!faulty.HasFailed) break;
        }
    }

    private static async Task EverythingListedReadsBackAsync(TestVault vault, SnapshotInfo kept)
    {
        var open = await vault.OpenAsync();
        using var reader = await open.OpenReaderAsync(Cancel);
        var listed = await open.ListSnapshotsAsync(Cancel);
        listed.ShouldContain(s => s.Id == kept.Id);
        foreach (var snapshot in listed)
        {
            var files = await TestVault.ReadBackAsync(open, reader, snapshot.Id);
            (TestVault.Same(files, Old) || TestVault.Same(files, Kept) || TestVault.Same(files, New)).ShouldBeTrue();
        }
    }

    /// <summary>True when the operation finished; only the store's failure may stop it.</summary>
    private static async Task<bool> AttemptAsync(Func<Task> operation)
    {
        try
        {
            await operation();
            return true;
        }
        catch (VaultException e) when (e.Fault is VaultFault.StoreUnavailable or VaultFault.StoreFull or VaultFault.AccessDenied or VaultFault.Conflict)
        {
            return false;
        }
    }
}
