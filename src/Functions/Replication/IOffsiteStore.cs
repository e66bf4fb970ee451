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

    /// <summary>Finds what a replica lacks of another one, or gives it its manifest when it lacks nothing. A missing container is made.</summary>
    /// <param name="source">The replica to copy from.</param>
    /// <param name="target">The one to bring up to date.</param>
    /// <param name="since">When this copy began.</param>
    /// <param name="objectsMax">How many objects to name at most.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="ControlPlaneException">The storage cannot be reached or refuses, or a replica is not what it should be.</exception>
    Task<OffsiteCopyStep> PlanCopyAsync(OffsiteReplica source, OffsitePlace target, DateTimeOffset since, int objectsMax, CancellationToken cancel);

    /// <summary>Has the storage copy objects between containers, never over existing ones. What is there already is no fault.</summary>
    /// <exception cref="ControlPlaneException">The storage cannot be reached, asks for patience, or refuses.</exception>
    Task CopyAsync(OffsiteReplica source, OffsitePlace target, IReadOnlyList<string> names, CancellationToken cancel);

    /// <summary>Removes manifests older than the given time, except some.</summary>
    /// <exception cref="ControlPlaneException">The storage cannot be reached or refuses.</exception>
    Task<int> RemoveManifestsAsync(OffsiteReplica replica, IReadOnlyCollection<string> kept, DateTimeOffset olderThan, CancellationToken cancel);
}

/// <summary>Where a replica is to be.</summary>
/// <param name="Tier">The tier.</param>
/// <param name="Container">The container's name.</param>
/// <param name="AccessTier">The price class of data packs.</param>
public sealed record OffsitePlace(TierName Tier, string Container, AccessTier AccessTier);

/// <summary>What is left to do of a copy between containers: exactly one of these.</summary>
/// <param name="Lacking">Objects to copy next.</param>
/// <param name="Result">Set when it is complete.</param>
public sealed record OffsiteCopyStep(IReadOnlyList<string> Lacking, AgentApi.ReplicateResult? Result);

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
