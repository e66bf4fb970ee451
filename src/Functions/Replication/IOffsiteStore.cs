using Backup.Policy;

namespace Backup.Functions.Replication;

/// <summary>What a grant allows. Nothing ever allows deleting.</summary>
public enum ReplicaRights
{
    /// <summary>Create, write, list and read.</summary>
    Copy,

    /// <summary>List and read.</summary>
    Read,
}

/// <summary>Short-lived access to one container.</summary>
/// <param name="Container">Its address, without credentials.</param>
/// <param name="Sas">The signature: a secret.</param>
public sealed record ReplicaGrant(Uri Container, string Sas)
{
    /// <summary>Prints no secret.</summary>
    public override string ToString() => Container.ToString();
}

/// <summary>Off-site storage, as the control plane uses it. Implementations are safe to use from several threads.</summary>
public interface IOffsiteStore
{
    /// <summary>A container's address; nothing is asked of the storage.</summary>
    /// <exception cref="ControlPlaneException">The tier has no usable settings.</exception>
    Uri AddressOf(TierName tier, string container);

    /// <summary>Grants access to a container for <see cref="AzureOffsiteStore.GrantLifetime"/>; with <see cref="ReplicaRights.Copy"/> a missing container is made.</summary>
    /// <exception cref="ControlPlaneException">The storage cannot be reached or refuses.</exception>
    Task<ReplicaGrant> GrantAsync(TierName tier, string container, ReplicaRights rights, CancellationToken cancel);

    /// <summary>Looks at a replica, without keys: its manifest, every object's presence and length, the hashes of new ones.</summary>
    /// <returns>What was found; a missing or altered object is a finding.</returns>
    /// <exception cref="ControlPlaneException">The storage cannot be reached or refuses.</exception>
    Task<ReplicaLook> CheckAsync(TierName tier, string container, string vaultId, string manifestName, string manifestSha256, CancellationToken cancel);
}

/// <summary>What a look at a replica found.</summary>
/// <param name="IsSound">Everything looked at is as it should be.</param>
/// <param name="ObjectsListed">Objects whose presence and length were compared.</param>
/// <param name="ObjectsHashed">Objects whose bytes were hashed.</param>
/// <param name="BytesHashed">Bytes hashed.</param>
/// <param name="Finding">For people.</param>
public sealed record ReplicaLook(bool IsSound, long ObjectsListed, long ObjectsHashed, long BytesHashed, string Finding);
