using Backup.Policy;

namespace Backup.Functions.Replication;

/// <summary>What a grant allows. No grant allows deleting.</summary>
public enum ReplicaRights
{
    /// <summary>Create, list and read: what exists can be neither overwritten nor deleted.</summary>
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

    /// <summary>Looks at a whole replica, without keys: every object's presence and length, and the hashes of one part of all objects.</summary>
    /// <exception cref="ControlPlaneException">The storage cannot be reached or refuses.</exception>
    Task<ReplicaFinding> VerifyAsync(OffsiteReplica replica, int part, int parts, CancellationToken cancel);

    /// <summary>
    /// Moves objects that are not what their names say out of a replica, so that good ones can take their place: under
    /// <c>quarantine/</c> in the same container, for whoever looks into it. Those that are gone are no fault.
    /// </summary>
    /// <returns>How many were moved.</returns>
    /// <exception cref="ControlPlaneException">The storage cannot be reached or refuses.</exception>
    Task<int> QuarantineAsync(OffsiteReplica replica, IReadOnlyList<string> names, CancellationToken cancel);

    /// <summary>The store objects that a replica's manifest lists.</summary>
    /// <exception cref="ControlPlaneException">ReplicaUnsafe: the manifest is not the one its replication wrote; or the storage cannot be reached or refuses.</exception>
    Task<IReadOnlyList<string>> ObjectsAsync(OffsiteReplica replica, CancellationToken cancel);

    /// <summary>Finds what a replica needs no longer. Nothing is removed.</summary>
    /// <exception cref="ControlPlaneException">ReplicaUnsafe: nothing may be removed; or the storage cannot be reached or refuses.</exception>
    Task<OffsiteSurplus> SurplusAsync(OffsiteReplica replica, OffsiteSurplusQuery query, CancellationToken cancel);

    /// <summary>
    /// Removes store objects of a replica, in the order given, with a credential that never leaves this process. Those that are gone are no fault.
    /// </summary>
    /// <exception cref="ControlPlaneException">The storage cannot be reached or refuses, for instance because an object is immutable.</exception>
    Task RemoveAsync(OffsiteReplica replica, IReadOnlyList<string> names, CancellationToken cancel);

    /// <summary>Removes manifests older than the given time, except some.</summary>
    /// <exception cref="ControlPlaneException">The storage cannot be reached or refuses.</exception>
    Task<int> RemoveManifestsAsync(OffsiteReplica replica, IReadOnlyCollection<string> kept, DateTimeOffset olderThan, CancellationToken cancel);
}

/// <summary>What a verification found.</summary>
/// <param name="Look">In short.</param>
/// <param name="Faulty">Store objects that are missing or wrong; empty also when the manifest itself is.</param>
public sealed record ReplicaFinding(ReplicaLook Look, IReadOnlyList<string> Faulty);

/// <summary>What a look at a replica found.</summary>
/// <param name="IsSound">Everything looked at is as it should be.</param>
/// <param name="ObjectsListed">Objects whose presence and length were compared.</param>
/// <param name="ObjectsHashed">Objects whose bytes were hashed.</param>
/// <param name="BytesHashed">Bytes hashed.</param>
/// <param name="Finding">For people.</param>
public sealed record ReplicaLook(bool IsSound, long ObjectsListed, long ObjectsHashed, long BytesHashed, string Finding);
