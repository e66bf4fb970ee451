using System.Globalization;
using System.Text;
using Backup.Vault;
using Backup.Vault.Chunking;
using Backup.Vault.Encryption;
using Backup.Vault.Pruning;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;
using Backup.Vault.Testing;

// A process to be killed: STORE RESTORE-KEY-FILE FIRST-ROUND. Backs up and prunes for ever, and says after each step what it has done, so that
// whoever kills it knows what was committed. Round n's only file holds TestVault.Bytes(n, …).
var vault = await OpenVault.OpenAsync(new FileSystemObjectStore(args[0]), VaultKeyFile.Load(args[1]), TimeProvider.System, default);
for (var round = int.Parse(args[2], CultureInfo.InvariantCulture); ; round++)
{
    await using (var writer = await vault.BeginSnapshotAsync(TestVault.SmallPacks, default))
    {
        Console.WriteLine("begun");
        var bytes = TestVault.Bytes(round, 1_500_000);
        var content = writer.AddContent(new MemoryStream(bytes), ContentHints.None);
        Console.WriteLine("added");
        var root = writer.AddTree([new TreeEntry { Name = Encoding.UTF8.GetBytes($"{round}"), Type = EntryType.File, Size = bytes.Length, Content = content }]);
        Console.WriteLine("committing");
        var snapshot = await writer.CommitAsync(new SnapshotDescription { Asset = "crash", SourceKind = "test" }, root, default);
        Console.WriteLine($"committed {snapshot.Id}");
    }

    var oldest = (await vault.ListSnapshotsAsync(default)).Take(1).Select(s => s.Id).ToList();
    Console.WriteLine($"dropping {oldest[0]}");
    var plan = await Pruner.PlanAsync(vault, new PruneRequest { Drop = round % 3 == 0 ? oldest : [], Grace = TimeSpan.Zero, NoWriterIsRunning = true }, default);
    await Pruner.ExecuteAsync(vault, plan, null, default);
    Console.WriteLine("pruned");
}
