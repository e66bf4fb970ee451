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

    public IEnumerable<string> CopyNames => settings.Copies.Keys;

    public bool CanRestore(string name) => settings.Vaults.TryGetValue(name, out var vault) && vault.RestoreKeyFile is not null;

    /// <summary>Opens a vault for adding, with the backup key: reading content is not possible.</summary>
    /// <exception cref="AgentException">Unknown vault, or its key cannot be used.</exception>
    /// <exception cref="VaultException">The vault does not open.</exception>
    public Task<OpenVault> OpenForBackupAsync(string name, CancellationToken cancel)
    {
        var vault = Find(name);
        return vault.BackupKeyFile is { } file
            ? OpenVault.OpenAsync(OpenStore(vault), LoadKey(file), time, cancel)
            : throw Refused($"The agent only copies from the vault '{name}'.", "Name a key with 'backupKeyFile' in the agent's configuration.");
    }

    /// <summary>
    /// Opens a vault for verifying, with the key that lets most be read: to prune, to restore, to back up; null when the agent holds none.
    /// </summary>
    /// <exception cref="AgentException">Unknown vault, or its key cannot be used.</exception>
    /// <exception cref="VaultException">The vault does not open.</exception>
    public async Task<OpenVault?> OpenForVerifyAsync(string name, CancellationToken cancel)
    {
        var vault = Find(name);
        return (vault.PruneKeyFile ?? vault.RestoreKeyFile ?? vault.BackupKeyFile) is { } file
            ? await OpenVault.OpenAsync(OpenStoreForRepair(vault), LoadKey(file), time, cancel).ConfigureAwait(false)
            : null;
    }

    /// <summary>Whether this agent may replace what is damaged in a vault: only the one that prunes it.</summary>
    public bool MayRepair(string name) => Find(name).PruneKeyFile is not null;

    /// <summary>The store of a vault with the right to replace what is damaged.</summary>
    public IObjectStore OpenStoreForRepair(string name) => OpenStoreForRepair(Find(name));

    /// <summary>A vault's copy in one of the agent's places.</summary>
    /// <exception cref="AgentException">Unknown place.</exception>
    public FolderReplica OpenCopy(string place, VaultId vault) => new(FindCopies(place), vault);

    /// <summary>The store of a replica or a copy that an order names.</summary>
    /// <exception cref="AgentException">Unknown place.</exception>
    public IReplicaStore OpenOrigin(RestoreOrigin from, VaultId vault) => from.Kind is RestoreOriginKind.Copy
        ? OpenCopy(from.Place!, vault)
        : Replica.Open(BlobLocation.Parse(from.ContainerUri!.ToString()), vault, BlobCredential.FromSas(from.Sas!.Reveal()));

    /// <summary>
    /// The folder of a place for copies. It must be there: what is not mounted must not be taken for an empty disk, or copies would pile up on this one.
    /// </summary>
    /// <exception cref="AgentException">Unknown place, or it is not there now.</exception>
    public string FindCopies(string place)
    {
        if (!settings.Copies.TryGetValue(place, out var folder))
        {
            throw AgentException.OfJob(new Failure
            {
                Code = FailureCode.UnknownVault,
                Message = $"The agent knows no place '{place}' for copies.",
                Hint = "Compare the tier's place in the policy with 'copies' in the agent's configuration.",
            });
        }

        return Directory.Exists(folder)
            ? folder
            : throw AgentException.OfJob(new Failure
            {
                Code = FailureCode.ReplicaUnavailable,
                Message = $"{folder}, the place '{place}' for copies, is not there.",
                Hint = "Mount the other node's share, or make the folder.",
                IsTransient = true,
            });
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
            ? OpenVault.OpenAsync(OpenStoreForRepair(vault), LoadKey(file), time, cancel)
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

    private static IObjectStore OpenStoreForRepair(VaultSettings vault) => OpenStore(vault with { CredentialFile = vault.PruneCredentialFile ?? vault.CredentialFile });

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
