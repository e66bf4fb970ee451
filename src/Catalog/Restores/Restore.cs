using Backup.Catalog.Runs;
using Backup.Policy;
using Backup.Policy.States;

namespace Backup.Catalog.Restores;

/// <summary>One attempt to bring a recovery point back. It goes through the same states as a run.</summary>
/// <param name="Id">The orchestration instance that performs it.</param>
/// <param name="Asset">Of what.</param>
/// <param name="RecoveryPoint">Which point.</param>
/// <param name="Agent">The agent that writes it.</param>
/// <param name="Tier">The replica it is read from; null for the vault.</param>
/// <param name="Target">Where on that agent's machine.</param>
/// <param name="Include">Patterns of what to bring back; empty means everything.</param>
/// <param name="Overwrite">Existing files may be replaced.</param>
/// <param name="RequestedBy">The name of the key that asked.</param>
/// <param name="State">Where it stands.</param>
/// <param name="OpenedAt">When it was recorded.</param>
/// <param name="OrderedAt">When the agent was first ordered; null before.</param>
/// <param name="EndedAt">When its state became final; null before.</param>
/// <param name="Reason">Why it is not a success.</param>
/// <param name="Result">What was brought back; null before the end and after a failure.</param>
public sealed record Restore(
    RestoreId Id,
    AssetName Asset,
    RecoveryPointId RecoveryPoint,
    AgentName Agent,
    TierName? Tier,
    string Target,
    IReadOnlyList<string> Include,
    bool Overwrite,
    string RequestedBy,
    RunState State,
    DateTimeOffset OpenedAt,
    DateTimeOffset? OrderedAt,
    DateTimeOffset? EndedAt,
    OutcomeReason? Reason,
    RestoredAmount? Result)
{
    /// <summary>What was restored is removed again at the end.</summary>
    public bool IsDrill { get; init; }

    /// <summary>Databases: the moment that it is recovered to along the log, an instant, <c>latest</c> or the name of a restore point; null for the point's own.</summary>
    public string? RecoverTo { get; init; }

    /// <summary>Databases: the point's dump is brought back in place of the cluster.</summary>
    public bool IsDump { get; init; }

    /// <summary>What proving it showed; null when it was not proven.</summary>
    public ProofRecord? Proof { get; init; }
}

/// <summary>What proving a restored database showed. Times are of the agent's clock.</summary>
/// <param name="AcceptedAt">When the agent accepted the order.</param>
/// <param name="ConsistentAt">When the server had reached consistency and answered; null when it never did.</param>
/// <param name="CheckedAt">When everything was checked.</param>
/// <param name="IsProven">Nothing was found wrong.</param>
/// <param name="Document">All that the agent told, as JSON.</param>
public sealed record ProofRecord(DateTimeOffset AcceptedAt, DateTimeOffset? ConsistentAt, DateTimeOffset CheckedAt, bool IsProven, string Document);

/// <summary>What a restore brought back.</summary>
/// <param name="Files">Files and other entries.</param>
/// <param name="Bytes">Their content.</param>
/// <param name="BytesWritten">Bytes that had to be written.</param>
/// <param name="BytesVerified">Bytes whose identity was checked while writing.</param>
public sealed record RestoredAmount(long Files, long Bytes, long BytesWritten, long BytesVerified);

/// <summary>A restore to record.</summary>
public sealed record NewRestore(
    RestoreId Id, AssetName Asset, RecoveryPointId RecoveryPoint, AgentName Agent, TierName? Tier, string Target, IReadOnlyList<string> Include, bool Overwrite, string RequestedBy)
{
    /// <summary>What is restored is removed again at the end.</summary>
    public bool IsDrill { get; init; }

    /// <summary>As <see cref="Restore.RecoverTo"/>.</summary>
    public string? RecoverTo { get; init; }

    /// <summary>As <see cref="Restore.IsDump"/>.</summary>
    public bool IsDump { get; init; }
}

/// <summary>What an asset's restores have shown.</summary>
/// <param name="ProvenAt">When one last succeeded; null when never.</param>
/// <param name="FailedSince">How many have failed, or were proven wrong, since, or ever when none has succeeded.</param>
public sealed record RestoreProof(DateTimeOffset? ProvenAt, int FailedSince);
