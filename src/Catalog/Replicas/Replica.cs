using Backup.Policy;

namespace Backup.Catalog.Replicas;

/// <summary>Where a copy of a recovery point stands.</summary>
public enum ReplicaState
{
    /// <summary>The copy was not made; the reason is recorded.</summary>
    Failed,

    /// <summary>The agent says that it is complete; nobody has looked yet.</summary>
    Copied,

    /// <summary>The control plane has looked, without keys, and found it complete.</summary>
    Checked,

    /// <summary>The control plane has looked and found something missing or altered.</summary>
    Damaged,

    /// <summary>Retention gave the recovery point up and its snapshot was removed from the container.</summary>
    Removed,
}

/// <summary>A recovery point's copy in one tier.</summary>
/// <param name="RecoveryPoint">Of what.</param>
/// <param name="Tier">Where.</param>
/// <param name="ContainerUri">The container, without credentials.</param>
/// <param name="AccessTier">The price class it was written in.</param>
/// <param name="State">Where it stands.</param>
/// <param name="Copy">What the agent copied; null when it failed before that.</param>
/// <param name="ReasonCode">Why it failed or what is damaged; null otherwise.</param>
/// <param name="Reason">The same for people.</param>
/// <param name="ChangedAt">When this row last changed.</param>
/// <param name="CheckedAt">When it was last looked at; null when never.</param>
public sealed record Replica(
    RecoveryPointId RecoveryPoint,
    TierName Tier,
    Uri ContainerUri,
    AccessTier AccessTier,
    ReplicaState State,
    ReplicaCopy? Copy,
    string? ReasonCode,
    string? Reason,
    DateTimeOffset ChangedAt,
    DateTimeOffset? CheckedAt);

/// <summary>The replica of the newest living point of a vault's copy in a container.</summary>
/// <param name="RecoveryPoint">That point.</param>
/// <param name="Tier">Where.</param>
/// <param name="ContainerUri">The container, without credentials.</param>
/// <param name="AccessTier">The price class data packs are written in.</param>
/// <param name="ManifestName">What it must hold.</param>
/// <param name="ManifestSha256">That manifest's hash.</param>
/// <param name="Asset">The point's asset.</param>
/// <param name="Agent">Whose vault.</param>
/// <param name="Vault">Which vault.</param>
/// <param name="VaultId">The vault's own id.</param>
/// <param name="SnapshotId">The point's snapshot.</param>
public sealed record NewestReplica(
    RecoveryPointId RecoveryPoint, TierName Tier, Uri ContainerUri, AccessTier AccessTier, string ManifestName, string ManifestSha256, AssetName Asset, AgentName Agent, VaultName Vault, string VaultId,
    string SnapshotId);

/// <summary>What an agent says it copied.</summary>
/// <param name="ManifestName">The object in the container that lists every store object.</param>
/// <param name="ManifestSha256">Its hash, lower-case hex.</param>
/// <param name="ObjectsTotal">Store objects the replica needs.</param>
/// <param name="ObjectsCopied">Store objects copied for this point.</param>
/// <param name="BytesTotal">Bytes of all of them.</param>
/// <param name="BytesCopied">Bytes copied for this point.</param>
public sealed record ReplicaCopy(string ManifestName, string ManifestSha256, long ObjectsTotal, long ObjectsCopied, long BytesTotal, long BytesCopied);

/// <summary>What a keyless look at a replica found.</summary>
/// <param name="Id">Deterministic, so that a repeated look is recorded once.</param>
/// <param name="RecoveryPoint">Of what.</param>
/// <param name="Tier">Where.</param>
/// <param name="At">When.</param>
/// <param name="IsSound">Everything looked at is as it should be.</param>
/// <param name="ObjectsListed">Store objects whose presence and length were compared.</param>
/// <param name="ObjectsHashed">Store objects whose bytes were hashed.</param>
/// <param name="BytesHashed">Bytes hashed.</param>
/// <param name="Finding">What was found, for people.</param>
public sealed record Verification(
    string Id, RecoveryPointId RecoveryPoint, TierName Tier, DateTimeOffset At, bool IsSound, long ObjectsListed, long ObjectsHashed, long BytesHashed, string Finding);
