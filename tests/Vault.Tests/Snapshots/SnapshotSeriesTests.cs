using Backup.Vault.Chunking;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Shouldly;

namespace Backup.Vault.Tests.Snapshots;

public sealed class SnapshotSeriesTests
{
    private readonly MemoryObjectStore _store = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Series_OfAGrowingFile_StoresEachChunkOnceAndEverySnapshotReadsBack()
    {
        var vault = await TestVault.CreateAsync(_store);
        var series = new SnapshotSeries(await vault.OpenForBackupAsync(), TestVault.SmallPacks);
        var data = TestVault.Bytes(7, 1_000_000);
        var whole = Content.Empty;
        var snapshots = new List<(SnapshotInfo Snapshot, int Length)>();
        for (var end = 250_000; end <= data.Length; end += 250_000)
        {
            await using var writer = await series.BeginAsync(Cancel);
            writer.TryReuse(whole).ShouldBeTrue();
            whole = Content.Join(whole, writer.AddContent(new MemoryStream(data, end - 250_000, 250_000), ContentHints.None, Cancel));
            var root = writer.AddTree([new TreeEntry { Name = "log"u8.ToArray(), Type = EntryType.File, Size = end, Content = whole }]);
            snapshots.Add((await writer.CommitAsync(new SnapshotDescription { Asset = "a", SourceKind = "test" }, root, Cancel), end));
            writer.Statistics.BytesNew.ShouldBe(250_000);
        }

        // Without the index objects of the others a later snapshot must still name everything: the vault's index has it all.
        var open = await vault.OpenAsync();
        using var reader = await open.OpenReaderAsync(Cancel);
        foreach (var (snapshot, length) in snapshots)
        {
            var entry = (await reader.ReadTreeAsync(snapshot.Root!.Value, Cancel)).ShouldHaveSingleItem();
            var read = new MemoryStream();
            await using var content = await reader.OpenContentAsync(entry.Content!, Cancel);
            await content.CopyToAsync(read, Cancel);
            read.ToArray().ShouldBe(data[..length]);
        }
    }

    [Fact]
    public async Task Series_WhosePackWasPruned_IsNotReused()
    {
        var vault = await TestVault.CreateAsync(_store);
        var series = new SnapshotSeries(await vault.OpenForBackupAsync(), TestVault.SmallPacks);
        var content = await AddAsync(series, 1);
        var open = await vault.OpenAsync();
        var plan = await Backup.Vault.Pruning.Pruner.PlanAsync(open, new Backup.Vault.Pruning.PruneRequest(), Cancel);
        await Backup.Vault.Pruning.Pruner.ExecuteAsync(open, plan, null, Cancel);
        await using (var writer = await series.BeginAsync(Cancel)) writer.TryReuse(content).ShouldBeFalse();
    }

    [Fact]
    public async Task Series_ReliesOnNothingThatIsOldOrForgotten()
    {
        var time = new ManualTime();
        var made = await VaultCreation.CreateAsync(_store, time, Cancel);
        var series = new SnapshotSeries(await OpenVault.OpenAsync(_store, made.RestoreKey, time, Cancel), TestVault.SmallPacks);
        var kept = await AddAsync(series, 1);
        var forgotten = await AddAsync(series, 2);
        series.Forget(except: kept);
        await using (var writer = await series.BeginAsync(Cancel))
        {
            writer.TryReuse(kept).ShouldBeTrue();
            writer.TryReuse(forgotten).ShouldBeFalse();
        }

        time.Advance(TimeSpan.FromDays(4));
        await using (var writer = await series.BeginAsync(Cancel)) writer.TryReuse(kept).ShouldBeFalse();
    }

    private static async Task<Content> AddAsync(SnapshotSeries series, int seed)
    {
        await using var writer = await series.BeginAsync(Cancel);
        var content = writer.AddContent(new MemoryStream(TestVault.Bytes(seed, 100_000)), ContentHints.None, Cancel);
        await writer.CommitAsync(new SnapshotDescription { Asset = "a", SourceKind = "test" }, writer.AddTree([]), Cancel);
        return content;
    }
}
