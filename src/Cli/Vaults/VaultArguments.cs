using System.CommandLine;
using Backup.Vault;
using Backup.Vault.AzureBlob;
using Backup.Vault.Encryption;
using Backup.Vault.Storage;

namespace Backup.Cli.Vaults;

/// <summary>Which vault and which key: the same options on every command that opens one.</summary>
internal sealed class VaultArguments
{
    public const string VaultVariable = "BACKUP_VAULT";
    public const string KeyVariable = "BACKUP_KEY_FILE";
    public const string PassphraseVariable = "BACKUP_PASSPHRASE_FILE";

    public Option<string> Vault { get; } = new("--vault")
    {
        Description = $"The vault: a folder, or the URL of a blob container (also {VaultVariable}).",
        HelpName = "DIR|URL",
    };

    public Option<string> KeyFile { get; } = new("--key-file")
    {
        Description = $"The key file that opens it (also {KeyVariable}).",
        HelpName = "FILE",
    };

    public Option<string> PassphraseFile { get; } = new("--passphrase-file")
    {
        Description = $"A file holding the passphrase that opens it, instead of a key file (also {PassphraseVariable}).",
        HelpName = "FILE",
    };

    public StoreArguments Store { get; } = new();

    public IEnumerable<Symbol> All => [Vault, KeyFile, PassphraseFile, .. Store.All];

    public string PlaceOf(Invocation invocation) =>
        invocation.Get(Vault) is { } given ? given
        : invocation.Terminal.Environment(VaultVariable) is { Length: > 0 } set ? set
        : throw new CliException(CliFault.OptionInvalid, "No vault is named.", $"Give --vault DIR|URL, or set {VaultVariable}.");

    public IObjectStore OpenStore(Invocation invocation) => Store.Open(invocation, PlaceOf(invocation));

    public Task<OpenVault> OpenAsync(Invocation invocation, CancellationToken cancel) =>
        OpenVault.OpenAsync(OpenStore(invocation), LoadKey(invocation), invocation.Terminal.Time, cancel);

    /// <summary>Whether any key is named, by option or environment.</summary>
    public bool NamesKey(Invocation invocation) => FindKey(invocation) is not null;

    /// <summary>The file of the key that is named, by option or environment, and the option that names it or would; null when none is.</summary>
    public (Option<string> Option, string File)? FindKey(Invocation invocation)
    {
        invocation.RefuseBoth(KeyFile, PassphraseFile);
        return invocation.Get(KeyFile) is { } keyFile ? (KeyFile, keyFile)
            : invocation.Get(PassphraseFile) is { } passphraseFile ? (PassphraseFile, passphraseFile)
            : invocation.Terminal.Environment(KeyVariable) is { Length: > 0 } key ? (KeyFile, key)
            : invocation.Terminal.Environment(PassphraseVariable) is { Length: > 0 } passphrase ? (PassphraseFile, passphrase)
            : null;
    }

    public VaultKey LoadKey(Invocation invocation)
    {
        if (FindKey(invocation) is not { } named)
        {
            throw new CliException(
                CliFault.KeyMissing, "No key is named.", $"Give --key-file FILE, or set {KeyVariable}. Keys are never taken from the command line itself.");
        }

        return named.Option == KeyFile ? VaultKeyFile.Load(named.File) : Passphrases.Load(invocation, named.File);
    }
}

/// <summary>Passphrases come from files: arguments are visible to every user of the machine.</summary>
internal static class Passphrases
{
    public static PassphraseKey Load(Invocation invocation, string file)
    {
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(file) & (UnixFileMode.OtherRead | UnixFileMode.OtherWrite)) != 0)
        {
            invocation.Note($"Passphrase file {file} is accessible to everyone. Run: chmod 600 {file}");
        }

        using var reader = new StreamReader(file);
        var text = reader.ReadLine();
        return !string.IsNullOrEmpty(text) ? new PassphraseKey(text) : throw new CliException(CliFault.KeyMissing, $"{file} holds no passphrase.", "Write the passphrase on its first line.");
    }
}

/// <summary>How to reach a store in blob storage.</summary>
internal sealed class StoreArguments(string credentialOption = "--credential-file")
{
    public const string CredentialVariable = "BACKUP_STORE_CREDENTIAL_FILE";
    private const string ConnectionVariable = "AZURE_STORAGE_CONNECTION_STRING";
    private const string SasVariable = "AZURE_STORAGE_SAS_TOKEN";

    public Option<string> CredentialFile { get; } = new(credentialOption)
    {
        Description = $"For a URL: a file holding a SAS or a storage connection string (also {CredentialVariable}, {ConnectionVariable} or {SasVariable}). Without: this machine's Azure identity.",
        HelpName = "FILE",
    };

    public IEnumerable<Symbol> All => [CredentialFile];

    public IObjectStore Open(Invocation invocation, string place) =>
        BlobLocation.IsUrl(place) ? OpenBlobs(invocation, place) : new FileSystemObjectStore(place);

    /// <summary>Makes the place for a new vault or copy.</summary>
    public static Task PrepareAsync(IObjectStore store, CancellationToken cancel) => store is FileSystemObjectStore ? Task.CompletedTask : MakeContainerAsync(store, cancel);

    private static async Task MakeContainerAsync(IObjectStore store, CancellationToken cancel)
    {
        try
        {
            await ((AzureBlobObjectStore)store).EnsureContainerAsync(cancel).ConfigureAwait(false);
        }
        catch (VaultException e) when (e.Fault == VaultFault.AccessDenied)
        {
            // A credential for one container may not make containers: it is there, or the first write says that it is not.
        }
    }

    // Apart from the caller, so that a vault in a folder never loads the Azure libraries.
    private AzureBlobObjectStore OpenBlobs(Invocation invocation, string place)
    {
        var environment = invocation.Terminal.Environment;
        var text = (invocation.Get(CredentialFile) ?? environment(CredentialVariable)) is { Length: > 0 } file
            ? File.ReadAllText(file)
            : environment(ConnectionVariable) ?? environment(SasVariable);
        return new AzureBlobObjectStore(BlobLocation.Parse(place), string.IsNullOrWhiteSpace(text) ? BlobCredential.MachineIdentity : BlobCredential.Parse(text));
    }
}
