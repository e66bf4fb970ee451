using Backup.Vault.Encryption;
using Backup.Vault.Format;
using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Shouldly;

namespace Backup.Vault.Tests.Encryption;

public sealed class KeyTests
{
    private static readonly PassphraseCost Cheap = new(8, 1, 1);
    private readonly MemoryObjectStore _store = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static Dictionary<string, byte[]> Files { get; } = new() { ["f"] = TestVault.Bytes(1, 100_000) };

    [Fact]
    public async Task BackupKey_CannotReadContentTreesOrSealedProperties()
    {
        var vault = await TestVault.CreateAsync(_store);
        var snapshot = await vault.BackupAsync(Files);
        var open = await vault.OpenForBackupAsync();
        open.CanRead.ShouldBeFalse();
        (await Should.ThrowAsync<VaultException>(() => open.OpenReaderAsync(Cancel))).Fault.ShouldBe(VaultFault.KeyRole);
        var listed = (await open.ListSnapshotsAsync(Cancel)).ShouldHaveSingleItem();
        listed.Id.ShouldBe(snapshot.Id);
        listed.Root.ShouldBeNull();
        Should.Throw<VaultException>(() => new KeyAdministration(open)).Fault.ShouldBe(VaultFault.KeyRole);
    }

    [Fact]
    public async Task BackupKey_HoldsNothingThatOpensASessionKey()
    {
        // The strongest form: every 32-byte window of the key file tried as the session key of a pack.
        var vault = await TestVault.CreateAsync(_store);
        await vault.BackupAsync(Files);
        var pack = _store.Objects.First(o => o.Key.Kind == ObjectKind.DataPack).Value;
        var payload = vault.Keys.BackupKey.ToPayload();
        for (var at = 0; at + 32 <= payload.Length; at++)
        {
            using var cipher = PackHeader.FrameCipher(pack.AsSpan(0, PackHeader.Length), payload.AsSpan(at, 32));
            for (var length = 200; length < 400; length += 7)
                AuthenticatedCipher.TryDecrypt(cipher, 0, pack.AsSpan(PackHeader.Length, length), new byte[length - 16], pack.AsSpan(0, PackHeader.Length)).ShouldBeFalse();
        }

        payload.AsSpan().IndexOf(vault.Keys.RestoreKey.SlotPrivate).ShouldBe(-1);
    }

    [Fact]
    public async Task StoredBytes_HoldNoPlainNamesOrContent()
    {
        var vault = await TestVault.CreateAsync(_store);
        await vault.BackupAsync(new Dictionary<string, byte[]> { ["very-secret-name"] = [.. Enumerable.Repeat("very-secret-content "u8.ToArray(), 500).SelectMany(b => b)] }, "very-secret-asset");
        foreach (var content in _store.Objects.Values)
            content.AsSpan().IndexOf("very-secret"u8).ShouldBe(-1);
    }

    [Fact]
    public async Task Passphrase_OpensChangesAndIsRemoved()
    {
        var vault = await TestVault.CreateAsync(_store);
        var snapshot = await vault.BackupAsync(Files);
        var keys = new KeyAdministration(await vault.OpenAsync());
        var slot = await keys.AddPassphraseAsync("safe", new PassphraseKey("correct horse"), Cheap, Cancel);
        await OpensAsync(new PassphraseKey("correct horse"), snapshot);
        await keys.ChangePassphraseAsync(slot, new PassphraseKey("battery staple"), Cheap, Cancel);
        await OpensAsync(new PassphraseKey("battery staple"), snapshot);
        await FailsAsync(new PassphraseKey("correct horse"));
        await keys.RemoveSlotAsync(slot, Cancel);
        await FailsAsync(new PassphraseKey("battery staple"));
        _store.Objects.Keys.Count(n => n.Kind == ObjectKind.Keys).ShouldBe(1);
    }

    [Fact]
    public async Task Rotation_KeepsOldSnapshotsReadableAndEveryRemainingKeyWorking()
    {
        var vault = await TestVault.CreateAsync(_store);
        var before = await vault.BackupAsync(Files);
        var keys = new KeyAdministration(await vault.OpenAsync());
        var extra = await keys.AddKeyFileAsync("second", Cancel);
        await keys.AddPassphraseAsync("safe", new PassphraseKey("correct horse"), Cheap, Cancel);
        (await keys.RotateAsync(Cancel)).ShouldBe(2u);
        var after = await vault.BackupAsync(new Dictionary<string, byte[]> { ["g"] = TestVault.Bytes(2, 50_000) });
        foreach (var key in (VaultKey[])[vault.Keys.RestoreKey, vault.Keys.RecoveryKey, extra, new PassphraseKey("correct horse")])
        {
            await OpensAsync(key, before);
            await OpensAsync(key, after);
        }

        (await new KeyAdministration(await vault.OpenAsync()).RotateAsync(Cancel)).ShouldBe(3u);
        await OpensAsync(vault.Keys.RecoveryKey, after);
    }

    [Fact]
    public async Task RemovedSlot_AfterRotation_OpensNeitherTheKeyringNorNewEpochsThroughTheOldOne()
    {
        var vault = await TestVault.CreateAsync(_store);
        var keys = new KeyAdministration(await vault.OpenAsync());
        var stolen = await keys.AddKeyFileAsync("stolen", Cancel);
        var oldStore = _store.Clone();
        await keys.RemoveSlotAsync(stolen.Slot, Cancel);
        await keys.RotateAsync(Cancel);
        var after = await vault.BackupAsync(Files);
        await FailsAsync(stolen);

        // Who kept the old keyring opens it, and still cannot read what came after.
        foreach (var (name, content) in _store.Objects.Where(o => o.Key.Kind != ObjectKind.Keys)) oldStore.Objects[name] = content;
        var open = await OpenVault.OpenAsync(oldStore, stolen, TimeProvider.System, Cancel);
        (await Should.ThrowAsync<VaultException>(() => open.ReadSnapshotAsync(after.Id, Cancel))).Fault.ShouldBe(VaultFault.Damaged);
    }

    [Fact]
    public async Task LastSlot_CannotBeRemoved()
    {
        var vault = await TestVault.CreateAsync(_store);
        var keys = new KeyAdministration(await vault.OpenAsync());
        await keys.RemoveSlotAsync(2, Cancel);
        (await Should.ThrowAsync<VaultException>(() => keys.RemoveSlotAsync(1, Cancel))).Fault.ShouldBe(VaultFault.Conflict);
    }

    [Fact]
    public async Task RolledBackKeyring_IsRefusedByANewerBackupKey()
    {
        var vault = await TestVault.CreateAsync(_store);
        var old = _store.Objects.Single(o => o.Key.Kind == ObjectKind.Keys);
        await new KeyAdministration(await vault.OpenAsync()).RotateAsync(Cancel);
        var newer = new KeyAdministration(await vault.OpenAsync()).IssueBackupKey();
        foreach (var name in _store.Objects.Keys.Where(n => n.Kind == ObjectKind.Keys).ToList()) _store.Objects.TryRemove(name, out _);
        _store.Objects[old.Key] = old.Value;
        (await Should.ThrowAsync<VaultException>(() => OpenVault.OpenAsync(_store, newer, TimeProvider.System, Cancel))).Fault.ShouldBe(VaultFault.WrongKey);
    }

    [Fact]
    public async Task ForgedKeyring_OfAnotherSigner_IsRefused()
    {
        var vault = await TestVault.CreateAsync(_store);
        var forged = new MemoryObjectStore();
        await TestVault.CreateAsync(forged);
        var keyring = forged.Objects.Single(o => o.Key.Kind == ObjectKind.Keys).Value;

        // The attacker's keyring, relabelled as this vault's: its signature no longer fits.
        vault.Keys.Id.CopyTo(keyring.AsSpan(8));
        _store.Objects.Clear();
        foreach (var (name, content) in forged.Objects.Where(o => o.Key.Kind != ObjectKind.Keys)) _store.Objects[name] = content;
        _store.Objects[ObjectName.For(ObjectKind.Keys, keyring)] = keyring;
        var config = ConfigDocument.ToBytes(vault.Keys.Id, TimeProvider.System.GetUtcNow());
        _store.Objects.TryRemove(_store.Objects.Keys.Single(n => n.Kind == ObjectKind.Config), out _);
        _store.Objects[ObjectName.For(ObjectKind.Config, config)] = config;
        foreach (var key in (VaultKey[])[vault.Keys.BackupKey, vault.Keys.RestoreKey])
            (await Should.ThrowAsync<VaultException>(() => OpenVault.OpenAsync(_store, key, TimeProvider.System, Cancel))).Fault.ShouldBe(VaultFault.Damaged);
    }

    [Fact]
    public async Task KeyOfAnotherVault_IsRefusedByName()
    {
        await TestVault.CreateAsync(_store);
        var other = await TestVault.CreateAsync(new MemoryObjectStore());
        foreach (var key in (VaultKey[])[other.Keys.BackupKey, other.Keys.RestoreKey])
            (await Should.ThrowAsync<VaultException>(() => OpenVault.OpenAsync(_store, key, TimeProvider.System, Cancel))).Fault.ShouldBe(VaultFault.WrongKey);
    }

    [Fact]
    public async Task KeyFiles_SaveOnceWithMode600AndLoadTheSame()
    {
        using var scratch = new Scratch();
        var vault = await TestVault.CreateAsync(_store);
        foreach (var key in (VaultKey[])[vault.Keys.BackupKey, vault.Keys.RestoreKey])
        {
            var path = scratch.At(key.GetType().Name);
            VaultKeyFile.Save(path, key);
            File.GetUnixFileMode(path).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
            VaultKeyFile.ToText(VaultKeyFile.Load(path)).ShouldBe(VaultKeyFile.ToText(key));
            Should.Throw<VaultException>(() => VaultKeyFile.Save(path, key)).Fault.ShouldBe(VaultFault.AlreadyExists);
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.OtherRead);
            Should.Throw<VaultException>(() => VaultKeyFile.Load(path)).Fault.ShouldBe(VaultFault.BadKeyFile);
        }

        Should.Throw<VaultException>(() => VaultKeyFile.Load(scratch.At("none"))).Fault.ShouldBe(VaultFault.NotFound);
    }

    [Fact]
    public async Task KeyFileText_WithAnyCharacterChanged_IsRefused()
    {
        var vault = await TestVault.CreateAsync(_store);
        var text = VaultKeyFile.ToText(vault.Keys.RestoreKey);
        for (var at = text.IndexOf("kind:", StringComparison.Ordinal); at < text.Length - 1; at++)
        {
            var changed = text[..at] + (text[at] == 'x' ? 'y' : 'x') + text[(at + 1)..];
            var fault = Should.Throw<VaultException>(() => VaultKeyFile.Parse(changed, "the file")).Fault;
            fault.ShouldBeOneOf(VaultFault.BadKeyFile, VaultFault.NewerFormat);
        }
    }

    [Fact]
    public async Task RecoveryKit_TypedWithForgivingLetters_RestoresFromTheVaultAlone()
    {
        var vault = await TestVault.CreateAsync(_store);
        var snapshot = await vault.BackupAsync(Files);
        var page = RecoveryKit.Print(vault.Keys.RecoveryKey, "disk:/vault");
        var typed = string.Join('\n', RecoveryKit.KeyLines(vault.Keys.RecoveryKey)).ToLowerInvariant().Replace('0', 'o').Replace('1', 'l').Replace(" ", "-", StringComparison.Ordinal);
        foreach (var text in (string[])[page, typed]) await OpensAsync(RecoveryKit.Parse(text), snapshot);
    }

    [Fact]
    public async Task RecoveryKit_WithATypingError_NamesItsLine()
    {
        var vault = await TestVault.CreateAsync(_store);
        var lines = RecoveryKit.KeyLines(vault.Keys.RecoveryKey).ToArray();
        for (var line = 0; line < lines.Length; line++)
        {
            for (var at = 3; at < lines[line].Length; at++)
            {
                if (lines[line][at] is ' ' or '=') continue;
                var changed = (string[])lines.Clone();
                changed[line] = lines[line][..at] + (lines[line][at] == 'X' ? 'Y' : 'X') + lines[line][(at + 1)..];
                Should.Throw<VaultException>(() => RecoveryKit.Parse(string.Join('\n', changed))).Message.ShouldContain($"Line {line + 1} ");
            }

            var missing = lines.Where((_, i) => i != line);
            Should.Throw<VaultException>(() => RecoveryKit.Parse(string.Join('\n', missing))).Fault.ShouldBe(VaultFault.BadKeyFile);
        }
    }

    private async Task OpensAsync(VaultKey key, Backup.Vault.Snapshots.SnapshotInfo snapshot)
    {
        var open = await OpenVault.OpenAsync(_store, key, TimeProvider.System, Cancel);
        using var reader = await open.OpenReaderAsync(Cancel);
        (await TestVault.ReadBackAsync(open, reader, snapshot.Id)).Count.ShouldBe(1);
    }

    private async Task FailsAsync(VaultKey key) =>
        (await Should.ThrowAsync<VaultException>(() => OpenVault.OpenAsync(_store, key, TimeProvider.System, Cancel))).Fault.ShouldBe(VaultFault.WrongKey);
}
