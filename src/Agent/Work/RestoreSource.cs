using Backup.Agent.Vaults;
using Backup.AgentApi;
using Backup.Vault;
using Backup.Vault.AzureBlob;
using Backup.Vault.Snapshots;

namespace Backup.Agent.Work;

/// <summary>Opens what an order reads from: a vault of the agent, a replica, or a copy on another node.</summary>
internal sealed class RestoreSource(VaultShelf vaults)
{
    /// <summary>Opens it with the restore key.</summary>
    /// <exception cref="AgentException">The order names nothing that this agent can open.</exception>
    /// <exception cref="VaultException">It does not open.</exception>
    public Task<OpenVault> OpenAsync(RestoreOrigin from, CancellationToken cancel)
    {
        if (from.Kind == RestoreOriginKind.Vault)
        {
            return vaults.OpenForRestoreAsync(from.Vault!, cancel);
        }

        var id = VaultOf(from.VaultId);
        return vaults.OpenReplicaAsync(vaults.OpenOrigin(from, id), from.Vault, id, cancel);
    }

    /// <summary>Opens a replica whose data packs lie in the archive tier: they are read from their copies.</summary>
    /// <exception cref="AgentException">The order names nothing that this agent can open.</exception>
    /// <exception cref="VaultException">It does not open.</exception>
    public async Task<(OpenVault Vault, RehydratedReplica Packs)> OpenArchiveAsync(RestoreOrigin from, CancellationToken cancel)
    {
        var id = VaultOf(from.VaultId);
        var replica = await RehydratedReplica.OpenAsync(BlobLocation.Parse(from.ContainerUri!.ToString()), id, BlobCredential.FromSas(from.Sas!.Reveal()), cancel).ConfigureAwait(false);
        return (await vaults.OpenReplicaAsync(replica, from.Vault, id, cancel).ConfigureAwait(false), replica);
    }

    /// <summary>The snapshot, or why it cannot be restored.</summary>
    public static async Task<(SnapshotInfo? Snapshot, Failure? Missing)> FindAsync(OpenVault vault, string snapshotId, CancellationToken cancel)
    {
        var missing = new Failure
        {
            Code = FailureCode.SnapshotMissing,
            Message = $"There is no snapshot {snapshotId} to restore from.",
            Hint = "It may have been dropped by retention, or not be replicated yet; list the vault's snapshots.",
        };
        if (!SnapshotId.TryParse(snapshotId, out var id))
        {
            return (null, missing);
        }

        try
        {
            return (await vault.ReadSnapshotAsync(id, cancel).ConfigureAwait(false), null);
        }
        catch (VaultException e) when (e.Fault == VaultFault.NotFound)
        {
            return (null, missing);
        }
    }

    /// <summary>The vault that an order names by its id.</summary>
    /// <exception cref="AgentException">It is none.</exception>
    public static VaultId VaultOf(string? text) => VaultId.TryParse(text, out var id)
        ? id
        : throw AgentException.OfJob(new Failure { Code = FailureCode.InvalidOrder, Message = $"'{text}' is no vault id.", Hint = "A vault id is 32 hexadecimal digits." });
}
