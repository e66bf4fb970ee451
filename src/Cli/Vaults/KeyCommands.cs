using System.CommandLine;
using System.Globalization;
using Backup.Cli.Output;
using Backup.Vault.Encryption;

namespace Backup.Cli.Vaults;

/// <summary>A key slot.</summary>
internal sealed record KeySlotLine(uint Slot, string Kind, string Label, DateTimeOffset CreatedAt);

/// <summary>What a key command made.</summary>
internal sealed record KeyLine(string Done, uint? Slot, string? File);

/// <summary><c>vault key …</c>: slots, backup keys, recovery kits and rotation.</summary>
internal static class KeyCommands
{
    public static Command Create(CliContext context) => CliContext.Group(
        "key", "Keys of a vault.",
        List(context), Add(context), Remove(context), ChangePassphrase(context), IssueBackupKey(context), Rotate(context), ImportKit(context));

    private static Command List(CliContext context)
    {
        var vault = new VaultArguments();
        return context.Leaf("list", "List the key slots.", vault.All, async (invocation, cancel) =>
        {
            var slots = await (await OpenAsync(invocation, vault, cancel).ConfigureAwait(false)).ListSlotsAsync(cancel).ConfigureAwait(false);
            var table = new TextTable("SLOT", "KIND", "CREATED", "LABEL").Right(0);
            foreach (var slot in slots)
            {
                var kind = slot.IsPassphrase ? "passphrase" : "key-file";
                if (invocation.IsJson)
                {
                    invocation.Out.WriteJson(new KeySlotLine(slot.Number, kind, slot.Label, slot.CreatedAt), CliJson.Default.KeySlotLine);
                }

                table.Add(slot.Number.ToString(CultureInfo.InvariantCulture), kind, Figures.Instant(slot.CreatedAt), slot.Label);
            }

            if (!invocation.IsJson)
            {
                table.WriteTo(invocation.Out);
            }

            return ExitCode.Success;
        });
    }

    private static Command Add(CliContext context)
    {
        var vault = new VaultArguments();
        var label = NameOption.Required("--label", "Who or what the key is for.", "TEXT");
        var keyFile = new Option<string>("--new-key-file") { Description = "Make a restore key and save it here.", HelpName = "FILE" };
        var kit = new Option<string>("--recovery-kit") { Description = "Make a restore key and save it here as a page to print.", HelpName = "FILE" };
        var passphrase = new Option<string>("--new-passphrase-file") { Description = "Add the passphrase on the first line of this file.", HelpName = "FILE" };
        return context.Leaf("add", "Add a key slot: one of a key file, a recovery kit or a passphrase.", [.. vault.All, label, keyFile, kit, passphrase], async (invocation, cancel) =>
        {
            var (toFile, toKit, fromPassphrase) = (invocation.Get(keyFile), invocation.Get(kit), invocation.Get(passphrase));
            if (new[] { toFile, toKit, fromPassphrase }.Count(named => named is not null) != 1)
            {
                throw new CliException(CliFault.OptionInvalid, "Exactly one kind of key is added at a time.", "Give one of --new-key-file, --recovery-kit and --new-passphrase-file.");
            }

            var keys = await OpenAsync(invocation, vault, cancel).ConfigureAwait(false);
            if (fromPassphrase is not null)
            {
                var slot = await AsOptionMistake(() => keys.AddPassphraseAsync(invocation.Require(label), Passphrases.Load(invocation, fromPassphrase), cancel)).ConfigureAwait(false);
                Tell(invocation, $"Added a passphrase as slot {slot}.", slot, null);
                return ExitCode.Success;
            }

            using var file = PrivateFile.Reserve(toFile ?? toKit!);
            var key = await AsOptionMistake(() => keys.AddKeyFileAsync(invocation.Require(label), cancel)).ConfigureAwait(false);
            file.Write(toFile is not null ? VaultKeyFile.ToText(key) : RecoveryKit.Print(key, vault.OpenStore(invocation).Description));
            Tell(invocation, $"Added slot {key.Slot}; its key is in {toFile ?? toKit}.", key.Slot, toFile ?? toKit);
            return ExitCode.Success;
        });
    }

    private static Command Remove(CliContext context)
    {
        var vault = new VaultArguments();
        var slot = new Argument<uint>("slot") { Description = "The slot's number, from 'key list'." };
        return context.Leaf("remove", "Remove a key slot: its key no longer opens the vault.", [slot, .. vault.All], async (invocation, cancel) =>
        {
            await (await OpenAsync(invocation, vault, cancel).ConfigureAwait(false)).RemoveSlotAsync(invocation.Require(slot), cancel).ConfigureAwait(false);
            Tell(invocation, $"Removed slot {invocation.Require(slot)}. Rotate to shut out whoever kept an old keyring.", invocation.Require(slot), null);
            return ExitCode.Success;
        });
    }

    private static Command ChangePassphrase(CliContext context)
    {
        var vault = new VaultArguments();
        var slot = new Argument<uint>("slot") { Description = "The slot's number, from 'key list'." };
        var passphrase = new Option<string>("--new-passphrase-file") { Description = "The new passphrase, on the first line of this file.", HelpName = "FILE", Required = true };
        return context.Leaf("change-passphrase", "Give a passphrase slot another passphrase.", [slot, .. vault.All, passphrase], async (invocation, cancel) =>
        {
            var keys = await OpenAsync(invocation, vault, cancel).ConfigureAwait(false);
            await AsOptionMistake(async () =>
            {
                await keys.ChangePassphraseAsync(invocation.Require(slot), Passphrases.Load(invocation, invocation.Require(passphrase)), cancel).ConfigureAwait(false);
                return true;
            }).ConfigureAwait(false);
            Tell(invocation, $"Slot {invocation.Require(slot)} has a new passphrase.", invocation.Require(slot), null);
            return ExitCode.Success;
        });
    }

    private static Command IssueBackupKey(CliContext context)
    {
        var vault = new VaultArguments();
        var file = new Option<string>("--backup-key-file") { Description = "Where to save it.", HelpName = "FILE", Required = true };
        return context.Leaf("issue-backup-key", "Save a backup key for another agent.", [.. vault.All, file], async (invocation, cancel) =>
        {
            var path = invocation.Require(file);
            VaultKeyFile.Save(path, (await OpenAsync(invocation, vault, cancel).ConfigureAwait(false)).IssueBackupKey());
            Tell(invocation, $"Backup key saved to {path}.", null, path);
            return ExitCode.Success;
        });
    }

    private static Command Rotate(CliContext context)
    {
        var vault = new VaultArguments();
        return context.Leaf("rotate", "Begin a new epoch: keys removed before cannot read what is written from now on.", vault.All, async (invocation, cancel) =>
        {
            var epoch = await (await OpenAsync(invocation, vault, cancel).ConfigureAwait(false)).RotateAsync(cancel).ConfigureAwait(false);
            Tell(invocation, $"Rotated: this is epoch {epoch}. Key files, passphrases and kits go on working.", null, null);
            return ExitCode.Success;
        });
    }

    private static Command ImportKit(CliContext context)
    {
        var kit = new Argument<string>("kit") { Description = "A file holding the typed lines of a recovery kit." };
        var file = new Option<string>("--key-file") { Description = "Where to save the key.", HelpName = "FILE", Required = true };
        return context.Leaf("import-kit", "Turn a typed recovery kit into a key file.", [kit, file], async (invocation, cancel) =>
        {
            var key = RecoveryKit.Parse(await File.ReadAllTextAsync(invocation.Require(kit), cancel).ConfigureAwait(false));
            VaultKeyFile.Save(invocation.Require(file), key);
            Tell(invocation, $"Restore key of vault {key.Vault} saved to {invocation.Require(file)}.", key.Slot, invocation.Require(file));
            return ExitCode.Success;
        });
    }

    private static async Task<KeyAdministration> OpenAsync(Invocation invocation, VaultArguments vault, CancellationToken cancel) =>
        new(await vault.OpenAsync(invocation, cancel).ConfigureAwait(false));

    // The vault treats a short passphrase or a long label as misuse of its interface; here they are a person's mistake.
    private static async Task<T> AsOptionMistake<T>(Func<Task<T>> call)
    {
        try
        {
            return await call().ConfigureAwait(false);
        }
        catch (ArgumentException e)
        {
            throw new CliException(CliFault.OptionInvalid, ErrorText.WithoutParameter(e), $"Passphrases have at least {PassphraseKey.LengthMin} characters, labels at most {KeyAdministration.LabelLengthMax}.", e);
        }
    }

    private static void Tell(Invocation invocation, string done, uint? slot, string? file)
    {
        if (invocation.IsJson)
        {
            invocation.Out.WriteJson(new KeyLine(done, slot, file), CliJson.Default.KeyLine);
        }
        else
        {
            invocation.Out.WriteLine(done);
        }
    }
}
