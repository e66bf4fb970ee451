using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Backup.Vault.Verifying;
using Shouldly;

namespace Backup.Vault.Tests.Safety;

/// <summary>What a store, or someone with access to it, may put in the place of our objects.</summary>
public sealed class ForeignObjectTests
{
    private readonly MemoryObjectStore _store = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static Dictionary<string, byte[]> Files { get; } = Enumerable.Range(0, 4).ToDictionary(i => $"f{i}", i => TestVault.Bytes(i, 900_000));

    public static TheoryData<string> Damages =>
        ["swapped data packs", "truncated data pack", "truncated meta pack", "emptied data pack", "renamed data pack", "duplicated data pack", "pack of another vault", "meta pack among data packs", "junk in every folder"];

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task Damage_IsFoundByVerifyAndNeverReadAsGood(string damage)
    {
        var vault = await TestVault.CreateAsync(_store);
        var snapshot = await vault.BackupAsync(Files);
        var data = _store.Objects.Keys.Where(n => n.Kind == ObjectKind.DataPack).OrderBy(n => n.Hash).ToList();
        var meta = _store.Objects.Keys.First(n => n.Kind == ObjectKind.MetaPack);
        data.Count.ShouldBeGreaterThan(1);
        var isStillWhole = false;
        switch (damage)
        {
            case "swapped data packs":
                (_store.Objects[data[0]], _store.Objects[data[1]]) = (_store.Objects[data[1]], _store.Objects[data[0]]);
                break;
            case "truncated data pack":
                _store.Objects[data[0]] = _store.Objects[data[0]][..(_store.Objects[data[0]].Length / 2)];
                break;
            case "truncated meta pack":
                _store.Objects[meta] = _store.Objects[meta][..100];
                break;
            case "emptied data pack":
                _store.Objects[data[0]] = [];
                break;
            case "renamed data pack":
                _store.Objects.TryRemove(data[0], out var moved);
                _store.Objects[data[0] with { Hash = ContentHash.Of([9]) }] = moved!;
                break;
            case "duplicated data pack":
                _store.Objects[data[0] with { Hash = ContentHash.Of([9]) }] = _store.Objects[data[0]];
                isStillWhole = true;
                break;
            case "pack of another vault":
                var other = new MemoryObjectStore();
                await (await TestVault.CreateAsync(other)).BackupAsync(Files);
                var foreign = other.Objects.First(o => o.Key.Kind == ObjectKind.DataPack);
                _store.Objects[foreign.Key] = foreign.Value;
                isStillWhole = true;
                break;
            case "meta pack among data packs":
                _store.Objects[meta with { Kind = ObjectKind.DataPack }] = _store.Objects[meta];
                isStillWhole = true;
                break;
            default:
                foreach (var kind in (ObjectKind[])[ObjectKind.DataPack, ObjectKind.MetaPack, ObjectKind.PruneMarks, ObjectKind.Ledger]) _store.Objects[ObjectName.For(kind, [1, 2, 3])] = [1, 2, 3];
                isStillWhole = true;
                break;
        }

        var found = await Verifier.VerifyAsync(await vault.OpenAsync(), new VerifyRequest { Depth = VerifyDepth.Data, WriteLedger = false }, null, Cancel);
        found.Problems.ShouldNotBeEmpty();
        var read = await TryReadAsync(vault, snapshot.Id);
        if (isStillWhole && damage != "junk in every folder") read.ShouldNotBeNull("everything needed is there");
        if (read is not null) TestVault.Same(Files, read).ShouldBeTrue();
        else isStillWhole.ShouldBe(damage == "junk in every folder");
    }

    [Fact]
    public async Task DamagedFrame_FailsOnlyItsOwnChunks()
    {
        var vault = await TestVault.CreateAsync(_store);
        var snapshot = await vault.BackupAsync(Files);
        var victim = _store.Objects.Keys.First(n => n.Kind == ObjectKind.DataPack);
        _store.Objects[victim][5_000] ^= 1;
        var open = await vault.OpenAsync();
        using var reader = await open.OpenReaderAsync(Cancel);
        var root = await reader.ReadTreeAsync((await open.ReadSnapshotAsync(snapshot.Id, Cancel)).Root!.Value, Cancel);
        var wanted = new List<ContentPart>();
        foreach (var entry in await reader.ReadTreeAsync(root.Single().Subtree!.Value, Cancel)) wanted.AddRange(entry.Content!.Parts);
        var sink = new CountingSink();
        await reader.FetchAsync(wanted, sink, 2, Cancel);
        sink.Failed.ShouldBeInRange(1, wanted.Count - 1);
        (sink.Delivered + sink.Failed).ShouldBe(wanted.Count);
    }

    private static async Task<Dictionary<string, byte[]>?> TryReadAsync(TestVault vault, SnapshotId id)
    {
        try
        {
            return await vault.ReadBackAsync(id);
        }
        catch (VaultException e) when (e.Fault is VaultFault.Damaged or VaultFault.NotFound)
        {
            return null;
        }
    }

    private sealed class CountingSink : IChunkSink
    {
        private int _delivered, _failed;

        public int Delivered => _delivered;

        public int Failed => _failed;

        public void Deliver(int want, int count, ReadOnlySpan<byte> data) => Interlocked.Add(ref _delivered, count);

        public void Fail(int want, VaultException why) => Interlocked.Increment(ref _failed);
    }
}
