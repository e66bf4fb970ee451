using Backup.Agent.Settings;
using Backup.AgentApi;
using Backup.Vault;
using Backup.Vault.AzureBlob;
using Backup.Vault.Encryption;
using Backup.Vault.Storage;

namespace Backup.Agent.Vaults;

/// <summary>The vaults of the agent's configuration, by the names orders use. Opens them afresh each time: keys may be renewed while it runs.</summary>
internal sealed class VaultShelf(AgentSettings settings, TimeProvider time)
{
    public IEnumerable<string> Names => settings.Vaults.Keys;

    public bool CanRestore(string name) => settings.Vaults.TryGetValue(name, out var vault) && vault.RestoreKeyFile is not null;

    /// <summary>Opens a vault for adding, with the backup key: reading content is not possible.</summary>
    /// <exception cref="AgentException">Unknown vault, or its key cannot be used.</exception>
    /// <exception cref="VaultException">The vault does not open.</exception>
    public Task<OpenVault> OpenForBackupAsync(string name, CancellationToken cancel)
    {
        var vault = Find(name);
        return OpenVault.OpenAsync(OpenStore(vault), LoadKey(vault.BackupKeyFile), time, cancel);
    }

    /// <summary>Opens a vault for reading.</summary>
    /// <exception cref="AgentException">Unknown vault, no restore key is configured, or it cannot be used.</exception>
    /// <exception cref="VaultException">The vault does not open.</exception>
    public Task<OpenVault> OpenForRestoreAsync(string name, CancellationToken cancel) =>
        OpenVault.OpenAsync(OpenStore(Find(name)), RestoreKeyOf(name), time, cancel);

    /// <summary>Opens a vault for pruning, with the key and the store credential that are for this alone.</summary>
    /// <exception cref="AgentException">Unknown vault, no key to prune is configured, or it cannot be used.</exception>
    /// <exception cref="VaultException">The vault does not open.</exception>
    public Task<OpenVault> OpenForPruneAsync(string name, CancellationToken cancel)
    {
        var vault = Find(name);
        return vault.PruneKeyFile is { } file
            ? OpenVault.OpenAsync(OpenStore(vault with { CredentialFile = vault.PruneCredentialFile ?? vault.CredentialFile }), LoadKey(file), time, cancel)
            : throw Refused($"The agent may not prune the vault '{name}'.", "Name a restore key with 'pruneKeyFile' in the configuration of the one agent that shall, and that agent as 'caretaker' in the policy.");
    }

    /// <summary>Opens a replica for reading, with the restore key of the vault it copies.</summary>
    /// <param name="replica">The replica's store.</param>
    /// <param name="name">The vault's name, or null to try every vault that has a restore key.</param>
    /// <param name="id">The vault's id.</param>
    /// <param name="cancel">Gives up.</param>
    public Task<OpenVault> OpenReplicaAsync(IObjectStore replica, string? name, VaultId id, CancellationToken cancel)
    {
        var key = name is not null
            ? RestoreKeyOf(name)
            : settings.Vaults.Values.Where(v => v.RestoreKeyFile is not null).Select(v => LoadKey(v.RestoreKeyFile!))
                .OfType<RestoreKey>().FirstOrDefault(k => k.Vault == id)
                ?? throw Refused($"The agent holds no restore key of vault {id}.", "Name one with 'restoreKeyFile' in the agent's configuration, or restore on another agent.");
        return OpenVault.OpenAsync(replica, key, time, cancel);
    }

    /// <summary>The store of a vault, for copying: no key is needed.</summary>
    public IObjectStore OpenStore(string name) => OpenStore(Find(name));

    private VaultKey RestoreKeyOf(string name) => Find(name).RestoreKeyFile is { } file
        ? LoadKey(file)
        : throw Refused($"The agent holds no restore key of the vault '{name}'.", "Name one with 'restoreKeyFile' in the agent's configuration, or restore on another agent.");

    private VaultSettings Find(string name) => settings.Vaults.TryGetValue(name, out var vault)
        ? vault
        : throw AgentException.OfJob(new Failure
        {
            Code = FailureCode.UnknownVault,
            Message = $"The agent knows no vault '{name}'.",
            Hint = "Compare the asset's vault in the policy with 'vaults' in the agent's configuration.",
        });

    private static IObjectStore OpenStore(VaultSettings vault)
    {
        if (!BlobLocation.IsUrl(vault.Location))
        {
            return new FileSystemObjectStore(vault.Location);
        }

        var credential = vault.CredentialFile is { } file ? BlobCredential.Parse(ReadSecret(file)) : BlobCredential.MachineIdentity;
        return new AzureBlobObjectStore(BlobLocation.Parse(vault.Location), credential);
    }

    // Whatever is wrong with a key file, the report must say that the key is the problem and not, say, a missing snapshot.
    private static VaultKey LoadKey(string file)
    {
        try
        {
            return VaultKeyFile.Load(file);
        }
        catch (VaultException e)
        {
            throw AgentException.OfJob(new Failure { Code = FailureCode.KeyRefused, Message = e.Message.Split("\nHint: ")[0], Hint = e.Hint }, e);
        }
    }

    private static string ReadSecret(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw AgentException.OfJob(
                new Failure { Code = FailureCode.AccessDenied, Message = $"The credential file {file} cannot be read.", Hint = "Check its owner and mode." }, e);
        }
    }

    private static AgentException Refused(string message, string hint) =>
        AgentException.OfJob(new Failure { Code = FailureCode.KeyRefused, Message = message, Hint = hint });
}
