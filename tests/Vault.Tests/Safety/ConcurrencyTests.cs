using Backup.Vault.Pruning;
using Backup.Vault.Snapshots;
using Backup.Vault.Testing;
using Backup.Vault.Verifying;
using Shouldly;

namespace Backup.Vault.Tests.Safety;

/// <summary>Writers and prunes truly at once, on one store, without any lock.</summary>
public sealed class ConcurrencyTests
{
    private const int RoundsPerWriter = 5;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task TwoWritersAndAPrune_AtOnce_KeepEverySnapshot()
    {
        var store = new MemoryObjectStore();
        var vault = await TestVault.CreateAsync(store);
        var dropped = await vault.BackupAsync(Files(0));
        var writers = Enumerable.Range(1, 2).Select(w => Task.Run(async () =>
        {
            var done = new List<(SnapshotId Id, Dictionary<string, byte[]> Files)>();
            for (var round = 0; round < RoundsPerWriter; round++)
            {
                var files = Files(round).Concat(Files((10 * w) + round)).DistinctBy(f => f.Key).ToDictionary();
                done.Add(((await vault.BackupAsync(files, $"asset{w}")).Id, files));
            }

            return done;
        }, Cancel)).ToList();
        var prunes = Task.Run(async () =>
        {
            for (var round = 0; round < RoundsPerWriter; round++)
            {
                var open = await vault.OpenAsync();
                var plan = await Pruner.PlanAsync(open, new PruneRequest { Drop = round == 0 ? [dropped.Id] : [], WasteShareMax = 0.01 }, Cancel);
                await Pruner.ExecuteAsync(open, plan, null, Cancel);
            }
        }, Cancel);
        await prunes;
        foreach (var (id, files) in (await Task.WhenAll(writers)).SelectMany(d => d)) TestVault.Same(files, await vault.ReadBackAsync(id)).ShouldBeTrue();
        (await Verifier.VerifyAsync(await vault.OpenAsync(), new VerifyRequest { Depth = VerifyDepth.Data }, null, Cancel)).IsSound.ShouldBeTrue();
    }

    [Fact]
    public async Task OneWriter_FedByManyThreads_StoresEachChunkOnce()
    {
        var store = new MemoryObjectStore();
        var vault = await TestVault.CreateAsync(store);
        await using var writer = await (await vault.OpenForBackupAsync()).BeginSnapshotAsync(TestVault.SmallPacks, Cancel);
        var shared = TestVault.Bytes(5, 200_000);
        await Parallel.ForAsync(0, 64, Cancel, (i, _) =>
        {
            writer.AddContent(new MemoryStream(shared), Backup.Vault.Chunking.ContentHints.None, Cancel);
            writer.AddContent(new MemoryStream(TestVault.Bytes(1000 + i, 50_000)), Backup.Vault.Chunking.ContentHints.None, Cancel);
            return ValueTask.CompletedTask;
        });
        writer.Statistics.ChunksTotal.ShouldBe(128);
        writer.Statistics.ChunksNew.ShouldBe(65);
        await writer.CommitAsync(new SnapshotDescription { Asset = "a", SourceKind = "test" }, writer.AddTree([]), Cancel);
    }

    private static Dictionary<string, byte[]> Files(int seed) => Enumerable.Range(0, 4).ToDictionary(i => $"{seed}-{i}", i => TestVault.Bytes((seed * 10) + i, 60_000));
}
