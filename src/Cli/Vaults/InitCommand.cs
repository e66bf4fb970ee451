using System.CommandLine;
using Backup.Cli.Output;
using Backup.Vault;
using Backup.Vault.Encryption;

namespace Backup.Cli.Vaults;

/// <summary>A vault just made.</summary>
internal sealed record VaultMade(string VaultId, string Vault, string RestoreKeyFile, string? BackupKeyFile, string? RecoveryKit);

/// <summary><c>vault init</c>: makes a vault and saves its keys, which exist nowhere else.</summary>
internal static class InitCommand
{
    public static Command Create(CliContext context)
    {
        var place = new VaultArguments();
        var restoreKey = new Option<string>("--restore-key-file", "--key-file")
        {
            Description = "Where to save the restore key, which reads everything. Keep it off the machines it protects.",
            HelpName = "FILE",
            Required = true,
        };
        var backupKey = new Option<string>("--backup-key-file") { Description = "Where to save the backup key, which adds and cannot read: for agents.", HelpName = "FILE" };
        var kit = new Option<string>("--recovery-kit") { Description = "Where to save the recovery kit, a page to print. Delete the file afterwards.", HelpName = "FILE" };
        return context.Leaf(
            "init", "Make a vault and its keys.", [place.Vault, .. place.Store.All, restoreKey, backupKey, kit],
            (invocation, cancel) => RunAsync(invocation, place, invocation.Require(restoreKey), invocation.Get(backupKey), invocation.Get(kit), cancel));
    }

    private static async Task<ExitCode> RunAsync(
        Invocation invocation, VaultArguments place, string restoreKey, string? backupKey, string? kit, CancellationToken cancel)
    {
        // Before anything is made: a vault whose keys could not be saved would be of no use to anyone.
        using var restoreFile = PrivateFile.Reserve(restoreKey);
        using var backupFile = backupKey is null ? null : PrivateFile.Reserve(backupKey);
        using var kitFile = kit is null ? null : PrivateFile.Reserve(kit);
        var store = place.OpenStore(invocation);
        await StoreArguments.PrepareAsync(store, cancel).ConfigureAwait(false);
        var made = await VaultCreation.CreateAsync(store, invocation.Terminal.Time, cancel).ConfigureAwait(false);
        restoreFile.Write(VaultKeyFile.ToText(made.RestoreKey));
        backupFile?.Write(VaultKeyFile.ToText(made.BackupKey));
        kitFile?.Write(RecoveryKit.Print(made.RecoveryKey, store.Description));
        Tell(invocation, new VaultMade(made.Id.ToString(), store.Description, restoreKey, backupKey, kit));
        return ExitCode.Success;
    }

    private static void Tell(Invocation invocation, VaultMade made)
    {
        if (invocation.IsJson)
        {
            invocation.Out.WriteJson(made, CliJson.Default.VaultMade);
            return;
        }

        invocation.Out.WriteLine($"Vault {made.VaultId} made in {made.Vault}.");
        invocation.Out.WriteLine($"Restore key: {made.RestoreKeyFile}");
        if (made.BackupKeyFile is not null)
        {
            invocation.Out.WriteLine($"Backup key:  {made.BackupKeyFile}");
        }

        if (made.RecoveryKit is not null)
        {
            invocation.Out.WriteLine($"Recovery kit: {made.RecoveryKit}");
        }

        invocation.Note("Without the restore key or a recovery kit nobody can read this vault, ever. Keep copies in two places.");
    }
}
