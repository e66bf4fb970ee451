using System.Runtime.InteropServices;
using Backup.Vault.Format;
using Backup.Vault.Indexing;
using Backup.Vault.Pruning;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Backup.Vault.Verifying;
using Shouldly;

namespace Backup.Vault.Tests.Pruning;

public sealed class PrunerTests
{
    private static readonly PruneRequest AtOnce = new() { Grace = TimeSpan.Zero, NoWriterIsRunning = true };
    private readonly MemoryObjectStore _store = new();
    private readonly ManualTime _time = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static Dictionary<string, byte[]> Files(int seed, int count = 6, int length = 300_000) =>
        Enumerable.Range(0, count).ToDictionary(i => $"{seed}-{i}", i => TestVault.Bytes((seed * 100) + i, length));

    [Fact]
    public async Task Prune_OfADroppedSnapshot_FreesItsBytesAndKeepsTheOther()
    {
        var vault = await TestVault.CreateAsync(_store, _time);
        var gone = await vault.BackupAsync(Files(1));
        var kept = await vault.BackupAsync(Files(2));
        var before = _store.Objects.Values.Sum(o => (long)o.Length);

        var plan = await Pruner.PlanAsync(await vault.OpenAsync(), AtOnce with { Drop = [gone.Id] }, Cancel);
        var result = await Pruner.ExecuteAsync(await vault.OpenAsync(), plan, null, Cancel);

        result.SnapshotsDropped.ShouldBe(1);
        result.PacksDeleted.ShouldBeGreaterThan(0);
        _store.Objects.Values.Sum(o => (long)o.Length).ShouldBeLessThan(before * 6 / 10);
        TestVault.Same(Files(2), await vault.ReadBackAsync(kept.Id)).ShouldBeTrue();
        (await Verifier.VerifyAsync(await vault.OpenAsync(), new VerifyRequest { Depth = VerifyDepth.Data }, null, Cancel)).IsSound.ShouldBeTrue();
    }

    [Fact]
    public async Task Prune_WithGrace_MarksFirstAndDeletesAfterIt()
    {
        var vault = await TestVault.CreateAsync(_store, _time);
        var gone = await vault.BackupAsync(Files(1));
        await vault.BackupAsync(Files(2));
        var packs = Packs();

        (await PruneAsync(vault, new PruneRequest { Drop = [gone.Id] })).PacksDeleted.ShouldBe(0);
        packs.IsSubsetOf(Packs()).ShouldBeTrue("nothing is deleted within the grace period");
        _time.Advance(PruneSafety.GraceDefault - TimeSpan.FromSeconds(1));
        (await PruneAsync(vault, new PruneRequest())).PacksDeleted.ShouldBe(0);
        _time.Advance(TimeSpan.FromSeconds(1));
        (await PruneAsync(vault, new PruneRequest())).PacksDeleted.ShouldBeGreaterThan(0);
        packs.IsSubsetOf(Packs()).ShouldBeFalse();
    }

    [Fact]
    public async Task Prune_WhenASnapshotComesToNeedAMarkedPack_LiftsTheMark()
    {
        var vault = await TestVault.CreateAsync(_store, _time);
        var gone = await vault.BackupAsync(Files(1));
        var open = await vault.OpenForBackupAsync();
        await using var early = await open.BeginSnapshotAsync(TestVault.SmallPacks, Cancel);

        await PruneAsync(vault, new PruneRequest { Drop = [gone.Id] });
        var late = await TestVault.WriteAsync(early, Files(1), "asset");
        late.Statistics.BytesNew.ShouldBe(0, "the writer read the index before the mark and relies on the pack");
        _time.Advance(PruneSafety.GraceDefault * 2);
        var plan = await Pruner.PlanAsync(await vault.OpenAsync(), new PruneRequest(), Cancel);
        plan.CountOf(PackFate.Unmark).ShouldBeGreaterThan(0);
        await Pruner.ExecuteAsync(await vault.OpenAsync(), plan, null, Cancel);

        TestVault.Same(Files(1), await vault.ReadBackAsync(late.Id)).ShouldBeTrue();
    }

    [Fact]
    public async Task Writer_BegunAfterAMark_StoresTheMarkedChunksAnew()
    {
        var vault = await TestVault.CreateAsync(_store, _time);
        var gone = await vault.BackupAsync(Files(1));
        await PruneAsync(vault, new PruneRequest { Drop = [gone.Id] });

        var again = await vault.BackupAsync(Files(1));
        again.Statistics.BytesNew.ShouldBe(again.Statistics.BytesRead);
        _time.Advance(PruneSafety.GraceDefault);
        (await PruneAsync(vault, new PruneRequest())).PacksDeleted.ShouldBeGreaterThan(0);
        TestVault.Same(Files(1), await vault.ReadBackAsync(again.Id)).ShouldBeTrue();
    }

    [Fact]
    public async Task Commit_WhenAReliedPackWasDeletedMeanwhile_IsRefused()
    {
        var vault = await TestVault.CreateAsync(_store, _time);
        var gone = await vault.BackupAsync(Files(1));
        var open = await vault.OpenForBackupAsync();
        await using var writer = await open.BeginSnapshotAsync(TestVault.SmallPacks, Cancel);

        await PruneAsync(vault, AtOnce with { Drop = [gone.Id] });
        var refusal = await Should.ThrowAsync<VaultException>(() => TestVault.WriteAsync(writer, Files(1), "asset"));
        refusal.Fault.ShouldBe(VaultFault.WriterExpired);
        (await open.ListSnapshotsAsync(Cancel)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Commit_OfAWriterOlderThanItsLifetime_IsRefused()
    {
        var vault = await TestVault.CreateAsync(_store, _time);
        await using var writer = await (await vault.OpenForBackupAsync()).BeginSnapshotAsync(TestVault.SmallPacks, Cancel);
        _time.Advance(PruneSafety.WriterLifetimeMax + TimeSpan.FromSeconds(1));
        (await Should.ThrowAsync<VaultException>(() => TestVault.WriteAsync(writer, Files(1), "asset"))).Fault.ShouldBe(VaultFault.WriterExpired);
    }

    [Fact]
    public async Task Prune_OfAMostlyDeadPack_RepacksWhatIsNeeded()
    {
        var vault = await TestVault.CreateAsync(_store, _time);
        var many = Files(1, count: 40, length: 50_000);
        var all = await vault.BackupAsync(many);
        var few = many.Where((_, i) => i % 5 == 0).ToDictionary();
        var kept = await vault.BackupAsync(few);

        var plan = await Pruner.PlanAsync(await vault.OpenAsync(), AtOnce with { Drop = [all.Id] }, Cancel);
        plan.CountOf(PackFate.Repack).ShouldBeGreaterThan(0);
        await Pruner.ExecuteAsync(await vault.OpenAsync(), plan, null, Cancel);

        TestVault.Same(few, await vault.ReadBackAsync(kept.Id)).ShouldBeTrue();
        (await Verifier.VerifyAsync(await vault.OpenAsync(), new VerifyRequest { Depth = VerifyDepth.Data }, null, Cancel)).IsSound.ShouldBeTrue();
        var next = await Pruner.PlanAsync(await vault.OpenAsync(), AtOnce, Cancel);
        next.Decisions.ShouldAllBe(d => d.Fate == PackFate.Keep, "a second prune has nothing left to do");
    }

    [Theory]
    [InlineData(ObjectKind.DataPack)]
    [InlineData(ObjectKind.MetaPack)]
    [InlineData(ObjectKind.ChunkMap)]
    public async Task Prune_WhenSomethingNeededIsMissing_DeletesNothing(ObjectKind kind)
    {
        var vault = await TestVault.CreateAsync(_store, _time);
        var gone = await vault.BackupAsync(Files(1));
        await vault.BackupAsync(Files(2));
        var victim = _store.Objects.Keys.First(n => n.Kind == kind);
        _store.Objects.TryRemove(victim, out _).ShouldBeTrue();
        var before = _store.Objects.Keys.ToHashSet();

        var failures = 0;
        foreach (var drop in (await (await vault.OpenAsync()).ListSnapshotsAsync(Cancel)).Select(s => s.Id))
        {
            try
            {
                await Pruner.PlanAsync(await vault.OpenAsync(), AtOnce with { Drop = [drop] }, Cancel);
            }
            catch (VaultException e)
            {
                e.Fault.ShouldBe(VaultFault.Inconsistent);
                failures++;
            }
        }

        failures.ShouldBe(1, "one of the two snapshots needs the missing object");
        _store.Objects.Keys.ToHashSet().SetEquals(before).ShouldBeTrue();
    }

    [Fact]
    public async Task Prune_OfLargeFoldersAndLongFiles_KeepsEveryLeafAndList()
    {
        var vault = await TestVault.CreateAsync(_store, _time);
        var many = Enumerable.Range(0, 4000).ToDictionary(i => $"{i:D6}-{new string('n', 40)}", i => TestVault.Bytes(i, 20));
        many.Add("long", TestVault.Bytes(-1, 90 << 20));
        var gone = await vault.BackupAsync(many);
        many["long"][45 << 20] ^= 1;
        many.Remove(many.Keys.First());
        var kept = await vault.BackupAsync(many);

        await PruneAsync(vault, AtOnce with { Drop = [gone.Id], WasteShareMax = 0 });

        (await Verifier.VerifyAsync(await vault.OpenAsync(), new VerifyRequest { Depth = VerifyDepth.Data }, null, Cancel)).IsSound.ShouldBeTrue();
        TestVault.Same(many, await vault.ReadBackAsync(kept.Id)).ShouldBeTrue();
        var next = await Pruner.PlanAsync(await vault.OpenAsync(), AtOnce with { WasteShareMax = 0 }, Cancel);
        next.Decisions.ShouldAllBe(d => d.Fate == PackFate.Keep && d.LiveShare == 1, "with no waste allowed no dead chunk stays");
    }

    [Fact]
    public async Task Repacking_OfAPackThatHoldsOtherChunksThanTheIndexSays_DeletesNoPack()
    {
        var vault = await TestVault.CreateAsync(_store, _time);
        var many = Enumerable.Range(0, 40).ToDictionary(i => $"{i}", i => TestVault.Bytes(i, 50_000));
        var all = await vault.BackupAsync(many);
        await vault.BackupAsync(many.Where((_, i) => i % 5 == 0).ToDictionary());
        var open = await vault.OpenAsync();
        await ReverseChunksInIndexAsync(open);
        var packs = Packs();

        var plan = await Pruner.PlanAsync(open, AtOnce with { Drop = [all.Id] }, Cancel);
        plan.CountOf(PackFate.Repack).ShouldBeGreaterThan(0);
        (await Should.ThrowAsync<VaultException>(() => Pruner.ExecuteAsync(open, plan, null, Cancel))).Fault.ShouldBe(VaultFault.Inconsistent);
        packs.IsSubsetOf(Packs()).ShouldBeTrue();
    }

    /// <summary>An index that is authentic and wrong: of data packs' frames it lists the chunks from last to first.</summary>
    private async Task ReverseChunksInIndexAsync(OpenVault vault)
    {
        var wrong = new List<IndexedPack>();
        await IndexLoader.ReadAsync(_store, vault.Secrets, (name, plain) =>
        {
            var packs = new IndexReader(plain.Span, new FrameDirectory(), name.ToString());
            while (packs.MoveNext())
            {
                var directory = new FrameDirectory();
                var at = 0;
                for (var frame = 0; frame < packs.Current.Frames.FrameChunks.Count; at += packs.Current.Frames.FrameChunks[frame++])
                {
                    var chunks = packs.Current.Frames.Chunks.Slice(at, packs.Current.Frames.FrameChunks[frame]);
                    if (packs.Current.Name.Kind == ObjectKind.DataPack) chunks.Reverse();
                    directory.AddFrame(packs.Current.Frames.FrameStoredBytes[frame], CollectionsMarshal.AsSpan(chunks));
                }

                wrong.Add(packs.Current with { Frames = directory });
            }

            return Task.CompletedTask;
        }, Cancel);
        foreach (var old in _store.Objects.Keys.Where(n => n.Kind == ObjectKind.ChunkMap)) _store.Objects.TryRemove(old, out _);
        await IndexShards.StoreAllAsync(_store, vault.Secrets, wrong, Cancel);
    }

    [Fact]
    public void Request_WithAShortGrace_NeedsTheCallersWord() =>
        Should.Throw<ArgumentException>(() => new PruneRequest { Grace = TimeSpan.FromDays(1) }.Check());

    [Fact]
    public async Task Plan_ExecutedTwice_IsMisuse()
    {
        var vault = await TestVault.CreateAsync(_store, _time);
        var open = await vault.OpenAsync();
        var plan = await Pruner.PlanAsync(open, new PruneRequest(), Cancel);
        await Pruner.ExecuteAsync(open, plan, null, Cancel);
        await Should.ThrowAsync<InvalidOperationException>(() => Pruner.ExecuteAsync(open, plan, null, Cancel));
    }

    private static async Task<PruneResult> PruneAsync(TestVault vault, PruneRequest request)
    {
        var open = await vault.OpenAsync();
        return await Pruner.ExecuteAsync(open, await Pruner.PlanAsync(open, request, Cancel), null, Cancel);
    }

    private HashSet<ObjectName> Packs() => [.. _store.Objects.Keys.Where(n => n.Kind is ObjectKind.DataPack or ObjectKind.MetaPack)];
}
