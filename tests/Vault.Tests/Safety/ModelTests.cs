using Backup.Vault.Pruning;
using Backup.Vault.Replicating;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Backup.Vault.Verifying;
using Shouldly;

namespace Backup.Vault.Tests.Safety;

/// <summary>Random operations against a model that is a dictionary: what the model says is committed must read back, always.</summary>
public sealed class ModelTests
{
    private const int Steps = 60;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<int> Seeds => [1, 2, 3, 4, 5, 6, 7, 8, Environment.TickCount & 0xFFFF];

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task RandomOperations_AgreeWithTheModel(int seed)
    {
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var time = new ManualTime();
        var store = new MemoryObjectStore();
        var replica = new MemoryObjectStore();
        var vault = await TestVault.CreateAsync(store, time);
        var model = new Dictionary<SnapshotId, Dictionary<string, byte[]>>();
        var writers = new List<SnapshotWriter>();
        var refused = 0;
        for (var step = 0; step < Steps; step++)
        {
            switch (random.Next(10))
            {
                case 0 or 1:
                    writers.Add(await (await vault.OpenForBackupAsync()).BeginSnapshotAsync(TestVault.SmallPacks, Cancel));
                    break;
                case 2 or 3 or 4:
                    if (writers.Count == 0) writers.Add(await (await vault.OpenForBackupAsync()).BeginSnapshotAsync(TestVault.SmallPacks, Cancel));
                    refused += await CommitAsync(Take(writers, random), random, model) ? 0 : 1;
                    break;
                case 5:
                    if (writers.Count > 0) await Take(writers, random).DisposeAsync();
                    break;
                case 6:
                    var drop = model.Keys.Where(_ => random.Next(3) == 0).ToList();
                    await PruneAsync(vault, new PruneRequest { Drop = drop, WasteShareMax = random.NextDouble() });
                    foreach (var id in drop) model.Remove(id);
                    break;
                case 7:
                    // Any step, backwards too: writers whose clock jumps are refused, never fooled.
                    time.Advance(TimeSpan.FromHours(random.Next(-200, 500)));
                    break;
                case 8:
                    (await Replicator.CopyAsync(store, replica, new CopyRequest(), null, Cancel)).IsComplete.ShouldBeTrue($"seed {seed}");
                    foreach (var (id, files) in model) TestVault.Same(files, await vault.Through(replica).ReadBackAsync(id)).ShouldBeTrue($"seed {seed}, step {step}: replica");
                    break;
                default:
                    await CheckAsync(vault, model, $"seed {seed}, step {step}");
                    break;
            }
        }

        foreach (var writer in writers) await writer.DisposeAsync();
        await PruneAsync(vault, new PruneRequest());
        time.Advance(PruneSafety.GraceDefault);
        await PruneAsync(vault, new PruneRequest());
        await CheckAsync(vault, model, $"seed {seed}, end");
        (await Verifier.VerifyAsync(await vault.OpenAsync(), new VerifyRequest { Depth = VerifyDepth.Data }, null, Cancel)).IsSound.ShouldBeTrue($"seed {seed}");
        refused.ShouldBeLessThan(Steps);
    }

    private static SnapshotWriter Take(List<SnapshotWriter> writers, Random random)
    {
        var writer = writers[random.Next(writers.Count)];
        writers.Remove(writer);
        return writer;
    }

    private static async Task<bool> CommitAsync(SnapshotWriter writer, Random random, Dictionary<SnapshotId, Dictionary<string, byte[]>> model)
    {
        // Few distinct files, so that writers, drops and prunes meet on the same chunks.
        var files = Enumerable.Range(0, random.Next(1, 6)).Select(_ => random.Next(12)).Distinct().ToDictionary(i => $"f{i}", i => TestVault.Bytes(i, 20_000 + (i * 9_000)));
        await using (writer)
        {
            try
            {
                var snapshot = await TestVault.WriteAsync(writer, files, "asset");
                model.Add(snapshot.Id, files);
                return true;
            }
            catch (VaultException e) when (e.Fault == VaultFault.WriterExpired)
            {
                return false;
            }
        }
    }

    private static async Task PruneAsync(TestVault vault, PruneRequest request)
    {
        var open = await vault.OpenAsync();
        await Pruner.ExecuteAsync(open, await Pruner.PlanAsync(open, request, Cancel), null, Cancel);
    }

    private static async Task CheckAsync(TestVault vault, Dictionary<SnapshotId, Dictionary<string, byte[]>> model, string where)
    {
        var open = await vault.OpenAsync();
        using var reader = await open.OpenReaderAsync(Cancel);
        (await open.ListSnapshotsAsync(Cancel)).Select(s => s.Id).ToHashSet().SetEquals(model.Keys).ShouldBeTrue(where);
        foreach (var (id, files) in model) TestVault.Same(files, await TestVault.ReadBackAsync(open, reader, id)).ShouldBeTrue(where);
    }
}
