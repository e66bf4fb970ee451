using Backup.Functions.Agents;

namespace Backup.Functions.Retention;

/// <summary>Retention to execute in one vault. Plain data: the input of an orchestration.</summary>
public sealed record RetentionRequest
{
    /// <summary>The agent whose configuration the vault's name is from.</summary>
    public required string Agent { get; init; }

    /// <summary>The agent that may prune it.</summary>
    public required string Caretaker { get; init; }

    /// <summary>The vault.</summary>
    public required string Vault { get; init; }

    /// <summary>Names the execution in order ids: the same vault is pruned again and again.</summary>
    public required string Slot { get; init; }

    /// <summary>Who asked.</summary>
    public required string RequestedBy { get; init; }

    /// <summary>How long to put up with silence and failure.</summary>
    public required JobPatience Patience { get; init; }
}

/// <summary>What is to be done in a vault.</summary>
/// <param name="Plans">Plans to execute.</param>
/// <param name="Drops">Snapshots they give up, oldest first.</param>
/// <param name="AllowsLast">One of them is forced.</param>
/// <param name="Places">Replicas of the vault, each with a living snapshot by which it can be brought up to date.</param>
public sealed record RetentionWork(string[] Plans, string[] Drops, bool AllowsLast, RetentionPlace[] Places);

/// <summary>A replica to tidy.</summary>
/// <param name="Place">Where.</param>
/// <param name="VaultId">Whose copy.</param>
/// <param name="SnapshotId">The newest living snapshot there.</param>
public sealed record RetentionPlace(ReplicaPlace Place, string VaultId, string SnapshotId);

/// <summary>Plans to give up the points of.</summary>
public sealed record GiveUpRequest(string[] Plans, string RequestedBy);

/// <summary>Snapshots that the vault has dropped, of points that these plans gave up.</summary>
public sealed record DroppedSnapshots(string[] Plans, string[] Snapshots, string RequestedBy);

/// <summary>Snapshots of log that are no longer of use, to be noted for each replica.</summary>
public sealed record LogRemovals(RetentionPlace[] Places, string[] Snapshots);

/// <summary>A replica from which to remove what it needs no longer.</summary>
/// <param name="Caretaker">Who knows what was pruned.</param>
/// <param name="Vault">The vault.</param>
/// <param name="Place">The replica.</param>
/// <param name="Manifest">What the vault held after its prune.</param>
/// <param name="OrderedAt">When that manifest was ordered: points published later need not be in it.</param>
public sealed record TidyRequest(string Caretaker, string Vault, RetentionPlace Place, AgentApi.ReplicateResult Manifest, DateTimeOffset OrderedAt);

/// <summary>What came of a replica.</summary>
/// <param name="Note">For people.</param>
/// <param name="Failure">Why nothing was removed; null when all went well.</param>
public sealed record TidyOutcome(string Note, JobFailure? Failure = null);

/// <summary>How an execution ended.</summary>
public sealed record RetentionEnding
{
    /// <summary>The agent whose vault it is.</summary>
    public required string Agent { get; init; }

    /// <summary>The vault.</summary>
    public required string Vault { get; init; }

    /// <summary>Plans concerned.</summary>
    public required string[] Plans { get; init; }

    /// <summary>What was done, for people.</summary>
    public required string Note { get; init; }

    /// <summary>Why it got no further; null when it is complete.</summary>
    public JobFailure? Failure { get; init; }
}
