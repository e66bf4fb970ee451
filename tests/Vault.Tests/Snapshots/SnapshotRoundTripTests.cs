using System.Text;
using Backup.Vault.Chunking;
using Backup.Vault.Encryption;
using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Shouldly;

namespace Backup.Vault.Tests.Snapshots;

public sealed class SnapshotRoundTripTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(ChunkSizes.WholeBytesMax)]
    [InlineData(ChunkSizes.WholeBytesMax + 1)]
    [InlineData(5_000_000)]
    [InlineData(70_000_000)]
    public async Task Content_OfAnyLength_ReadsBack(int length)
    {
        var store = new MemoryObjectStore();
        var made = await VaultCreation.CreateAsync(store, TimeProvider.System, Cancel);
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        bytes.AsSpan(0, length / 2).Replace((byte)200, (byte)0);

        SnapshotInfo committed;
        var writing = await OpenVault.OpenAsync(store, made.BackupKey, TimeProvider.System, Cancel);
        await using (var writer = await writing.BeginSnapshotAsync(new WriterOptions(), Cancel))
        {
            var content = writer.AddContent(new MemoryStream(bytes), ContentHints.None, Cancel);
            content.Length.ShouldBe(length);
            var root = writer.AddTree([new TreeEntry { Name = Encoding.UTF8.GetBytes("file"), Type = EntryType.File, Size = length, Content = content, Mode = 0b110_100_100 }]);
            committed = await writer.CommitAsync(new SnapshotDescription { Asset = "a", SourceKind = "test", Tags = new Dictionary<string, string> { ["run"] = "7" } }, root, Cancel);
        }

        var reading = await OpenVault.OpenAsync(store, made.RestoreKey, TimeProvider.System, Cancel);
        var snapshot = (await reading.ListSnapshotsAsync(Cancel)).ShouldHaveSingleItem();
        snapshot.Id.ShouldBe(committed.Id);
        snapshot.Tags["run"].ShouldBe("7");
        snapshot.Statistics.BytesRead.ShouldBe(length);
        using var reader = await reading.OpenReaderAsync(Cancel);
        var entry = (await reader.ReadTreeAsync(snapshot.Root!.Value, Cancel)).ShouldHaveSingleItem();
        entry.Size.ShouldBe(length);
        await using var stream = await reader.OpenContentAsync(entry.Content!, Cancel);
        var back = new byte[length];
        await stream.ReadExactlyAsync(back, Cancel);
        (await stream.ReadAsync(new byte[1], Cancel)).ShouldBe(0);
        back.AsSpan().SequenceEqual(bytes).ShouldBeTrue();
    }
}
