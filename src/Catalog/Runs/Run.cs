using Backup.Policy;
using Backup.Policy.States;

namespace Backup.Catalog.Runs;

/// <summary>One attempt to back up an asset.</summary>
/// <param name="Id">The orchestration instance that performs it.</param>
/// <param name="Asset">What is backed up.</param>
/// <param name="Agent">By whom.</param>
/// <param name="Vault">Where to.</param>
/// <param name="RequestedBy">The schedule, or the name of the key that asked.</param>
/// <param name="State">Where it stands.</param>
/// <param name="OpenedAt">When it was recorded.</param>
/// <param name="OrderedAt">When the agent was first ordered; null before.</param>
/// <param name="EndedAt">When its state became final; null before.</param>
/// <param name="Reason">Why it is not a success; null while it runs and after a success.</param>
/// <param name="RecoveryPoint">What it left; null while there is nothing.</param>
/// <param name="IsRebuilt">The row was recovered from a vault's snapshot, not written while the run happened.</param>
public sealed record Run(
    RunId Id,
    AssetName Asset,
    AgentName Agent,
    VaultName Vault,
    string RequestedBy,
    RunState State,
    DateTimeOffset OpenedAt,
    DateTimeOffset? OrderedAt,
    DateTimeOffset? EndedAt,
    OutcomeReason? Reason,
    RecoveryPointId? RecoveryPoint,
    bool IsRebuilt);

/// <summary>Why something did not succeed.</summary>
/// <param name="Code">From a closed list, for automation: an agent's failure code or one of the control plane's.</param>
/// <param name="Text">What happened, for people.</param>
/// <param name="Hint">What to do about it; empty when nobody knows.</param>
public sealed record OutcomeReason(string Code, string Text, string Hint);

/// <summary>A run to record.</summary>
public sealed record NewRun(RunId Id, AssetName Asset, AgentName Agent, VaultName Vault, string RequestedBy);

/// <summary>What opening a run led to.</summary>
public enum RunOpening
{
    /// <summary>The run is open, now or since an earlier call with the same id.</summary>
    Open,

    /// <summary>The run has ended already: this is a repetition, and nothing is left to do.</summary>
    Ended,

    /// <summary>Another run of the asset is open; the new one was not recorded.</summary>
    AssetBusy,
}

/// <summary>What opening a run led to, and the run concerned: the other one when the asset is busy.</summary>
public sealed record OpenedRun(RunOpening Opening, Run Run);

/// <summary>Which runs to list; nulls do not filter.</summary>
public sealed record RunFilter(AssetName? Asset = null, RunState? State = null);
