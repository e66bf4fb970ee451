using System.Security.Cryptography;
using Azure.Storage.Blobs.Models;
using Backup.Services.Testing;
using Backup.Vault.Storage;
using Microsoft.Extensions.Time.Testing;
using Shouldly;

namespace Backup.Vault.AzureBlob.Tests.Replicas;

/// <summary>Replication copies bytes by name and looks no further than the prefix that says whose they are, so these objects need hold nothing else.</summary>
public sealed class ReplicationTests(AzuriteFixture azurite) : IAsyncLifetime
{
    private readonly CancellationToken _cancel = TestContext.Current.CancellationToken;
    private readonly ScratchFolder _scratch = new("replica");
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly VaultId _vault = new(RandomNumberGenerator.GetBytes(VaultId.Length));
    private FileSystemObjectStore _source = null!;
    private BlobLocation _container = null!;

    public async ValueTask InitializeAsync()
    {
        _source = new FileSystemObjectStore(_scratch.Combine("vault"));
        _container = await azurite.NewAsync();
    }

    public ValueTask DisposeAsync()
    {
        _scratch.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Run_NewReplica_HoldsEveryObjectAndChecksSound()
    {
        var snapshot = await FillAsync();
        await AddAsync(ObjectKind.Ledger);
        await AddAsync(ObjectKind.PruneMarks);

        var outcome = await ReplicateAsync(snapshot);

        outcome.ObjectsTotal.ShouldBe(6);
        outcome.ObjectsCopied.ShouldBe(6);
        outcome.BytesCopied.ShouldBe(outcome.BytesTotal);
        var report = await CheckAsync(outcome);
        report.IsSound.ShouldBeTrue(string.Join('\n', report.Faults));
        report.IsComplete.ShouldBeTrue();
        report.ObjectsHashed.ShouldBe(6);
        report.BytesHashed.ShouldBe(outcome.BytesTotal);
        var replica = Replica.Open(_container, _vault, azurite.Credential());
        (await replica.ListAsync(ObjectKind.Ledger, _cancel).ToListAsync(_cancel)).ShouldBeEmpty();
        (await replica.ListAsync(ObjectKind.PruneMarks, _cancel).ToListAsync(_cancel)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Run_Again_CopiesOnlyTheDifference()
    {
        await ReplicateAsync(await FillAsync());
        await AddAsync(ObjectKind.DataPack);
        var second = await AddAsync(ObjectKind.Snapshot);

        var outcome = await ReplicateAsync(new SnapshotId(second.Hash));

        outcome.ObjectsCopied.ShouldBe(2);
        outcome.ObjectsTotal.ShouldBe(8);
        var report = await CheckAsync(outcome);
        report.IsSound.ShouldBeTrue();
        (report.ObjectsNew, report.ObjectsTotal).ShouldBe((2, 8));
    }

    [Fact]
    public async Task Check_EverySliceOnce_ReadsEverythingOnce()
    {
        for (var i = 0; i < 40; i++) await AddAsync(ObjectKind.DataPack);
        var outcome = await ReplicateAsync(await FillAsync());
        var hashed = 0L;
        for (var part = 0; part < 7; part++)
        {
            var report = await ReplicaCheck.RunAsync(
                _container, _vault, azurite.Credential(), outcome.ManifestName, outcome.ManifestHash.ToString(), new ReplicaCheckOptions { Slice = new HashSlice(part, 7) }, _cancel);
            report.IsSound.ShouldBeTrue();
            hashed += report.ObjectsHashed;
        }

        hashed.ShouldBe(outcome.ObjectsTotal);
    }

    [Fact]
    public async Task Quarantine_ThenReplicateAgain_MendsADamagedObject()
    {
        var snapshot = await FillAsync();
        var outcome = await ReplicateAsync(snapshot);
        var replica = Replica.Open(_container, _vault, azurite.Credential());
        var good = (await replica.ListAsync(ObjectKind.DataPack, _cancel).ToListAsync(_cancel))[0].Name;
        var wrong = await replica.ReadAsync(good, _cancel);
        wrong[^1] ^= 1;
        await azurite.Client(_container).GetBlobClient($"{replica.Location.Prefix}{good}").UploadAsync(BinaryData.FromBytes(wrong), overwrite: true, _cancel);

        var report = await CheckAsync(outcome);
        report.FaultyObjects.ShouldBe([good]);
        (await replica.QuarantineAsync(good, _cancel)).ShouldBeTrue();
        (await replica.QuarantineAsync(good, _cancel)).ShouldBeFalse();
        (await ReplicateAsync(snapshot)).ObjectsCopied.ShouldBe(1);
        (await replica.QuarantineAsync(good, _cancel)).ShouldBeFalse();
        good.Matches(await replica.ReadAsync(good, _cancel)).ShouldBeTrue();
        var kept = await azurite.Client(_container).GetBlobClient($"{replica.Location.Prefix}quarantine/{good}/{ContentHash.Of(wrong)}").DownloadContentAsync(_cancel);
        kept.Value.Content.ToArray().ShouldBe(wrong);
    }

    [Fact]
    public async Task Quarantine_LongerThanAnObjectMayBe_IsMovedToo()
    {
        await ReplicateAsync(await FillAsync());
        var replica = Replica.Open(_container, _vault, azurite.Credential());
        var name = (await replica.ListAsync(ObjectKind.DataPack, _cancel).ToListAsync(_cancel))[0].Name;
        await azurite.Client(_container).GetBlobClient($"{replica.Location.Prefix}{name}").UploadAsync(new MemoryStream(new byte[IObjectStore.ObjectBytesMax + 1]), overwrite: true, _cancel);
        (await replica.QuarantineAsync(name, _cancel)).ShouldBeTrue();
        (await replica.FindLengthAsync(name, _cancel)).ShouldBeNull();
        var kept = await azurite.Client(_container).GetBlobsAsync(BlobTraits.None, BlobStates.None, $"{replica.Location.Prefix}quarantine/{name}/", _cancel).ToListAsync(_cancel);
        kept.ShouldHaveSingleItem().Properties.ContentLength.ShouldBe(IObjectStore.ObjectBytesMax + 1L);
    }

    [Fact]
    public async Task Run_TwoVaultsInOneContainer_StayApart()
    {
        var first = await ReplicateAsync(await FillAsync());
        var other = new FileSystemObjectStore(_scratch.Combine("other"));
        var otherId = new VaultId(RandomNumberGenerator.GetBytes(VaultId.Length));
        await AddAsync(ObjectKind.Config, other, otherId);
        var snapshot = await AddAsync(ObjectKind.Snapshot, other, otherId);

        var second = await new Replication(other, Replica.Open(_container, otherId, azurite.Credential()), _time).RunAsync(new SnapshotId(snapshot.Hash), null, _cancel);

        second.ObjectsTotal.ShouldBe(2);
        (await CheckAsync(first)).IsSound.ShouldBeTrue();
    }

    [Fact]
    public async Task Run_UnknownSnapshot_CopiesNothing()
    {
        await FillAsync();

        var e = await Should.ThrowAsync<VaultException>(() => ReplicateAsync(new SnapshotId(ContentHash.Of([9]))));

        e.Fault.ShouldBe(VaultFault.NotFound);
        (await azurite.Client(_container).GetBlobsAsync(cancellationToken: _cancel).CountAsync(_cancel)).ShouldBe(0);
    }

    [Fact]
    public async Task Run_DamagedObjectInTheVault_IsNotCopiedAndNoSnapshotArrives()
    {
        var snapshot = await FillAsync();
        var pack = (await _source.ListAsync(ObjectKind.DataPack, _cancel).ToListAsync(_cancel))[0];
        await File.WriteAllBytesAsync(_scratch.Combine("vault", pack.Name.ToString()), new byte[pack.Length], _cancel);

        var e = await Should.ThrowAsync<VaultException>(() => ReplicateAsync(snapshot));

        e.Fault.ShouldBe(VaultFault.Damaged);
        var replica = Replica.Open(_container, _vault, azurite.Credential());
        (await replica.FindLengthAsync(pack.Name, _cancel)).ShouldBeNull();
        (await replica.ListAsync(ObjectKind.Snapshot, _cancel).ToListAsync(_cancel)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Run_StoppedMidWay_GoesOnWhereItStopped()
    {
        var snapshot = await FillAsync();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(_cancel);
        var stopper = new Callback(p => { if (p.ObjectsDone == 3) stop.Cancel(); });
        await Should.ThrowAsync<OperationCanceledException>(() => Replication().RunAsync(snapshot, stopper, stop.Token));
        var arrived = await azurite.Client(_container).GetBlobsAsync(cancellationToken: _cancel).CountAsync(_cancel);

        var outcome = await ReplicateAsync(snapshot);

        arrived.ShouldBeGreaterThanOrEqualTo(3);
        outcome.ObjectsCopied.ShouldBe(6 - arrived);
        (await CheckAsync(outcome)).IsSound.ShouldBeTrue();
    }

    [Fact]
    public async Task Check_ObjectMissing_IsFound()
    {
        var outcome = await ReplicateAsync(await FillAsync());
        var pack = (await _source.ListAsync(ObjectKind.DataPack, _cancel).ToListAsync(_cancel))[0];
        await azurite.Client(_container).DeleteBlobAsync($"{_vault}/{pack.Name}", cancellationToken: _cancel);

        var report = await CheckAsync(outcome);

        report.IsSound.ShouldBeFalse();
        report.Faults.ShouldBe([$"{pack.Name} is missing"]);
    }

    [Fact]
    public async Task Check_ObjectOfRightLengthAndWrongContent_IsFound()
    {
        var outcome = await ReplicateAsync(await FillAsync());
        var pack = await ReplaceAsync(length => new byte[length]);

        (await CheckAsync(outcome)).Faults.ShouldBe([$"{pack.Name} is not what its name says"]);
    }

    [Fact]
    public async Task Check_ObjectCutShort_IsFoundByItsLength()
    {
        var outcome = await ReplicateAsync(await FillAsync());
        var pack = await ReplaceAsync(length => new byte[length - 1]);

        (await CheckAsync(outcome)).Faults[0].ShouldBe($"{pack.Name} has {pack.Length - 1} bytes instead of {pack.Length}");
        var snapshot = (await _source.ListAsync(ObjectKind.Snapshot, _cancel).ToListAsync(_cancel))[0].Name;
        (await Should.ThrowAsync<VaultException>(() => ReplicateAsync(new SnapshotId(snapshot.Hash)))).Fault.ShouldBe(VaultFault.Damaged);
    }

    [Fact]
    public async Task Check_ManifestAltered_IsNotReliedOn()
    {
        var outcome = await ReplicateAsync(await FillAsync());
        var blob = azurite.Client(_container).GetBlobClient(outcome.ManifestName);
        var text = (await blob.DownloadContentAsync(_cancel)).Value.Content.ToString();
        await blob.UploadAsync(BinaryData.FromString(text.Replace("+ ", "= ", StringComparison.Ordinal)), overwrite: true, _cancel);

        (await Should.ThrowAsync<VaultException>(() => CheckAsync(outcome))).Fault.ShouldBe(VaultFault.Damaged);
    }

    [Fact]
    public async Task Check_MoreNewBytesThanTheBound_ReadsASampleAndSaysSo()
    {
        var outcome = await ReplicateAsync(await FillAsync());
        var largest = outcome.BytesTotal / 2;

        var report = await ReplicaCheck.RunAsync(
            _container, _vault, azurite.Credential(), outcome.ManifestName, outcome.ManifestHash.ToString(), new ReplicaCheckOptions { HashedBytesMax = largest }, _cancel);

        report.IsSound.ShouldBeTrue();
        report.IsComplete.ShouldBeFalse();
        report.BytesHashed.ShouldBeInRange(1, largest);
    }

    [Fact]
    public async Task Check_ArchivedPacks_AreCountedAndTheRestIsHashed()
    {
        var snapshot = await FillAsync();
        var replica = Replica.Open(_container, _vault, azurite.Credential(), new BlobStoreOptions { DataPackTier = AccessTier.Archive });
        var outcome = await new Replication(_source, replica, _time).RunAsync(snapshot, null, _cancel);

        var report = await CheckAsync(outcome);

        report.IsSound.ShouldBeTrue();
        report.ObjectsArchived.ShouldBe(1);
        report.ObjectsHashed.ShouldBe(5);
        report.IsComplete.ShouldBeTrue();
    }

    private Replication Replication() => new(_source, Replica.Open(_container, _vault, azurite.Credential()), _time);

    private Task<ReplicationOutcome> ReplicateAsync(SnapshotId snapshot) => Replication().RunAsync(snapshot, null, _cancel);

    private Task<ReplicaCheckReport> CheckAsync(ReplicationOutcome outcome) =>
        ReplicaCheck.RunAsync(_container, _vault, azurite.Credential(), outcome.ManifestName, outcome.ManifestHash.ToString(), null, _cancel);

    private async Task<SnapshotId> FillAsync()
    {
        foreach (var kind in (ObjectKind[])[ObjectKind.Config, ObjectKind.Keys, ObjectKind.DataPack, ObjectKind.MetaPack, ObjectKind.ChunkMap])
        {
            await AddAsync(kind);
        }

        return new SnapshotId((await AddAsync(ObjectKind.Snapshot)).Hash);
    }

    private async Task<ObjectName> AddAsync(ObjectKind kind, FileSystemObjectStore? store = null, VaultId? vault = null)
    {
        // FORMAT.md: the prefix of every object; a config goes on with a time.
        byte[] prefix = [.. "BKV"u8, (byte)kind, 1, 0, 0, 0, .. Convert.FromHexString((vault ?? _vault).ToString())];
        byte[] content = [.. prefix, .. kind == ObjectKind.Config ? new byte[8] : RandomNumberGenerator.GetBytes(RandomNumberGenerator.GetInt32(1000, 2000))];
        var name = ObjectName.For(kind, content);
        await (store ?? _source).CreateAsync(name, content, _cancel);
        return name;
    }

    private async Task<StoreObject> ReplaceAsync(Func<long, byte[]> content)
    {
        var pack = (await _source.ListAsync(ObjectKind.DataPack, _cancel).ToListAsync(_cancel))[0];
        await azurite.Client(_container).GetBlobClient($"{_vault}/{pack.Name}").UploadAsync(BinaryData.FromBytes(content(pack.Length)), overwrite: true, _cancel);
        return pack;
    }

    private sealed class Callback(Action<VaultProgress> action) : IProgress<VaultProgress>
    {
        public void Report(VaultProgress value) => action(value);
    }
}
