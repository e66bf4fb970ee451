using Backup.Vault.Replicating;
using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Shouldly;

namespace Backup.Vault.Tests.Replicating;

public sealed class ReplicatorTests : IDisposable
{
    private readonly Scratch _scratch = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static Dictionary<string, byte[]> Files { get; } = Enumerable.Range(0, 5).ToDictionary(i => $"f{i}", i => TestVault.Bytes(i, 800_000));

    public void Dispose() => _scratch.Dispose();

    /// <summary>In pieces, as from every disk: that a pack is wrong shows when most of it has been written.</summary>
    [Theory]
    [InlineData(0), InlineData(30), InlineData(1_100_000), InlineData(-1)]
    public async Task CopyBetweenFolders_OfADamagedPack_LeavesNothingOfIt(int at)
    {
        var vault = await TestVault.CreateAsync(new FileSystemObjectStore(_scratch.At("vault")));
        var snapshot = await vault.BackupAsync(Files);
        var target = new FileSystemObjectStore(_scratch.At("copy"));
        var victim = (await vault.Store.ListAsync(ObjectKind.DataPack, Cancel).ToListAsync(Cancel)).MaxBy(o => o.Length);
        victim.Length.ShouldBeGreaterThan(CheckedContent.PieceBytes);
        Flip();

        var report = await Replicator.CopyAsync(vault.Store, target, new CopyRequest(), null, Cancel);

        report.DamagedInSource.ShouldBe([victim.Name]);
        (await target.FindLengthAsync(victim.Name, Cancel)).ShouldBeNull();
        (await target.FindLengthAsync(snapshot.Id.Name, Cancel)).ShouldBeNull();
        Directory.GetFiles(_scratch.At("copy/tmp")).ShouldBeEmpty();
        Flip();
        (await Replicator.CopyAsync(vault.Store, target, new CopyRequest(), null, Cancel)).IsComplete.ShouldBeTrue();
        TestVault.Same(Files, await vault.Through(target).ReadBackAsync(snapshot.Id)).ShouldBeTrue();

        void Flip()
        {
            using var file = File.Open(_scratch.At($"vault/{victim.Name}"), FileMode.Open);
            file.Position = at < 0 ? file.Length + at : at;
            var value = file.ReadByte();
            file.Position--;
            file.WriteByte((byte)(value ^ 1));
        }
    }

    [Fact]
    public async Task Copy_WhileAnotherHasSentAll_LooksInsteadOfSendingAgain()
    {
        var source = new MemoryObjectStore();
        var vault = await TestVault.CreateAsync(source);
        await vault.BackupAsync(Files);
        var all = source.Objects.Keys.ToList();
        var replica = new MemoryObjectStore();
        var target = new BusyStore(replica, ObjectKind.Config, async () =>
        {
            await Replicator.CopyAsync(source, replica, new CopyRequest(), null, Cancel);

            // Whoever wanted to send these again could not.
            foreach (var pack in all.Where(n => n.Kind is ObjectKind.DataPack or ObjectKind.MetaPack)) source.Objects.TryRemove(pack, out _);
        });
        var report = await Replicator.CopyAsync(source, target, new CopyRequest(), null, Cancel);
        target.HasWritten.ShouldBeTrue();
        report.Inventory.Select(o => o.Name).ShouldBe(all, ignoreOrder: true);
    }

    [Fact]
    public async Task CheckedContent_ReadAgainFromTheStart_IsCheckedAnew()
    {
        var store = new MemoryObjectStore();
        var vault = await TestVault.CreateAsync(store);
        await vault.BackupAsync(Files);
        var (name, bytes) = store.Objects.First(o => o.Key.Kind == ObjectKind.DataPack);
        var wrong = false;
        await using var content = new CheckedContent(new StoreObject(name, bytes.Length), vault.Keys.RestoreKey.Vault, (offset, piece, _) =>
        {
            bytes.AsMemory((int)offset, piece.Length).CopyTo(piece);
            if (wrong) piece.Span[^1] ^= 1;
            return Task.CompletedTask;
        });
        (await AllAsync()).ShouldBe(bytes);
        content.Position = 0;
        await content.ReadExactlyAsync(new byte[1000], Cancel);
        content.Position = 0;
        (await AllAsync()).ShouldBe(bytes);
        wrong = true;
        content.Position = 0;
        (await Should.ThrowAsync<VaultException>(AllAsync)).Fault.ShouldBe(VaultFault.Damaged);
        content.Failure.ShouldNotBeNull();

        async Task<byte[]> AllAsync()
        {
            var copy = new MemoryStream();
            await content.CopyToAsync(copy, Cancel);
            return copy.ToArray();
        }
    }
}
