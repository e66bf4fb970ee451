using Backup.Vault.Encryption;
using Backup.Vault.Format;
using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Backup.Vault.Verifying;
using Shouldly;

namespace Backup.Vault.Tests.Format;

/// <summary>Vaults of released format versions stay readable for ever.</summary>
public sealed class GoldenVaultTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<string> Versions => ["v1"];

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task GoldenVault_OfEveryVersion_ReadsAsWhenItWasWritten(string version)
    {
        var folder = Fixture(version);
        var store = new FileSystemObjectStore(Path.Combine(folder, "store"));
        var expected = await File.ReadAllTextAsync(Path.Combine(folder, "expected.txt"), Cancel);
        VaultKey[] keys =
        [
            VaultKeyFile.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "restore.key"), Cancel), "restore.key"),
            RecoveryKit.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "kit.txt"), Cancel)),
            new PassphraseKey(GoldenVault.Passphrase),
        ];
        foreach (var key in keys)
        {
            var vault = await OpenVault.OpenAsync(store, key, TimeProvider.System, Cancel);
            (await GoldenVault.DescribeAsync(vault)).ShouldBe(expected);
            (await Verifier.VerifyAsync(vault, new VerifyRequest { Depth = VerifyDepth.Data, WriteLedger = false }, null, Cancel)).IsSound.ShouldBeTrue();
        }

        var backup = VaultKeyFile.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "backup.key"), Cancel), "backup.key");
        (await (await OpenVault.OpenAsync(store, backup, TimeProvider.System, Cancel)).ListSnapshotsAsync(Cancel)).Count.ShouldBe(2);
    }

    [Fact]
    public async Task ObjectOfANewerVersion_OfEveryKind_IsRefusedWithAClearMessage()
    {
        var store = new MemoryObjectStore();
        var vault = await TestVault.CreateAsync(store);
        var snapshot = await vault.BackupAsync(new Dictionary<string, byte[]> { ["f"] = TestVault.Bytes(1, 1000) });
        foreach (var kind in (ObjectKind[])[ObjectKind.Config, ObjectKind.Keys, ObjectKind.ChunkMap, ObjectKind.Snapshot, ObjectKind.MetaPack])
        {
            var newer = store.Clone();
            foreach (var (name, content) in store.Objects.Where(o => o.Key.Kind == kind))
            {
                newer.Objects.TryRemove(name, out _);
                var changed = (byte[])content.Clone();
                changed[4] = (byte)(ObjectPrefix.FormatVersion + 1);

                // Packs are read under their old names: the index knows them by these.
                newer.Objects[kind == ObjectKind.MetaPack ? name : ObjectName.For(kind, changed)] = changed;
            }

            var refusal = await Should.ThrowAsync<VaultException>(async () =>
            {
                var open = await vault.Through(newer).OpenAsync();
                await open.ListSnapshotsAsync(Cancel);
                await vault.Through(newer).ReadBackAsync(snapshot.Id);
            });
            refusal.Fault.ShouldBe(VaultFault.NewerFormat, kind.ToString());
            refusal.Message.ShouldContain("format version 2");
            refusal.Message.ShouldContain("newer");
        }
    }

    internal static string Fixture(string version)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var path = Path.Combine(folder.FullName, "tests", "fixtures", "vaults", version);
            if (Directory.Exists(path)) return path;
        }

        throw new DirectoryNotFoundException($"No fixture {version}.");
    }
}
