using Backup.AgentApi;
using Microsoft.DurableTask;

namespace Backup.Functions.Agents;

/// <summary>A job for an agent, and how far it is. Plain data: it is stored in orchestration histories. Never holds a credential.</summary>
public sealed record AgentJobRequest
{
    /// <summary>The agent's name.</summary>
    public required string Agent { get; init; }

    /// <summary>The run or restore and the step: with the attempt, this makes the order id, so that a repetition is the same job.</summary>
    public required string OrderKey { get; init; }

    /// <summary>What to do.</summary>
    public required AgentTask Task { get; init; }

    /// <summary>How long to put up with silence and failure.</summary>
    public required JobPatience Patience { get; init; }

    /// <summary>The priority of the asset's service class, 1 before 9, which decides what a busy agent begins first; null for what fits the operation.</summary>
    public int? ClassPriority { get; init; }

    /// <summary>From 1 to <see cref="JobPatience.AttemptsMax"/>.</summary>
    public int Attempt { get; init; } = 1;

    /// <summary>The agent has answered for this attempt's order.</summary>
    public bool IsAccepted { get; init; }

    /// <summary>Somebody asked to stop: no further attempt is made, and the agent is told.</summary>
    public bool IsCancelRequested { get; init; }

    /// <summary>When the present silence began; null while the agent answers.</summary>
    public DateTime? SilentSince { get; init; }

    /// <summary>Questions that were not answered in a row.</summary>
    public int Silences { get; init; }

    /// <summary>When the job has taken too long; null before the first question.</summary>
    public DateTime? Deadline { get; init; }

    /// <summary>The id of this attempt's order.</summary>
    public OrderId OrderId() => AgentApi.OrderId.Derive(OrderKey, Attempt.ToString(System.Globalization.CultureInfo.InvariantCulture));
}

/// <summary>What an agent shall do: exactly one of these.</summary>
public sealed record AgentTask
{
    /// <summary>Back an asset up.</summary>
    public BackupTask? Backup { get; init; }

    /// <summary>Copy a snapshot to a tier.</summary>
    public ReplicateTask? Replicate { get; init; }

    /// <summary>Bring a snapshot back.</summary>
    public RestoreTask? Restore { get; init; }

    /// <summary>Drop snapshots and free what none needs.</summary>
    public PruneTask? Prune { get; init; }

    /// <summary>Hold a group's applications still.</summary>
    public HoldTask? Hold { get; init; }

    /// <summary>Let go what the order of this id holds.</summary>
    public string? Release { get; init; }

    /// <summary>Read what a vault holds and mend it, or look at a copy on another node.</summary>
    public VerifyTask? Verify { get; init; }

    /// <summary>Remove from a copy on another node what its vault dropped.</summary>
    public AgentApi.TidyOrder? Tidy { get; init; }

    /// <summary>Find out which packs a restore reads.</summary>
    public SurveyTask? Survey { get; init; }
}

/// <summary>An order to hold without its envelope.</summary>
public sealed record HoldTask
{
    /// <summary>The group's backup.</summary>
    public required string Run { get; init; }

    /// <summary>The group.</summary>
    public required string Group { get; init; }

    /// <summary>What holds and what lets go.</summary>
    public required BackupHooks Hooks { get; init; }

    /// <summary>After so many seconds the agent lets go by itself.</summary>
    public required int SecondsMax { get; init; }
}

/// <summary>A verification order without its envelope and without the SAS of places to repair from.</summary>
public sealed record VerifyTask
{
    /// <summary>The vault in the agent's configuration.</summary>
    public required string Vault { get; init; }

    /// <summary>The vault's own id; null when nobody knows it yet, and then nothing is mended.</summary>
    public string? VaultId { get; init; }

    /// <summary>Look at this copy instead of the vault.</summary>
    public AgentApi.CopyToVerify? Copy { get; init; }

    /// <summary>The share of the vault's packs to read.</summary>
    public double SamplePercent { get; init; } = 100;

    /// <summary>Where to look for healthy copies.</summary>
    public ReplicaPlace[] RepairFrom { get; init; } = [];
}

/// <summary>A survey order without its envelope and without its SAS.</summary>
public sealed record SurveyTask
{
    /// <summary>The vault whose restore key applies.</summary>
    public required string Vault { get; init; }

    /// <summary>The vault's own id.</summary>
    public required string VaultId { get; init; }

    /// <summary>The snapshot.</summary>
    public required string SnapshotId { get; init; }

    /// <summary>The replica to read.</summary>
    public required ReplicaPlace From { get; init; }

    /// <summary>Patterns; empty for everything.</summary>
    public string[] Include { get; init; } = [];
}

/// <summary>A prune order without its envelope.</summary>
public sealed record PruneTask
{
    /// <summary>The vault in the agent's configuration.</summary>
    public required string Vault { get; init; }

    /// <summary>Snapshots to drop.</summary>
    public required string[] Drops { get; init; }

    /// <summary>An asset may lose its last snapshot.</summary>
    public bool AllowsLast { get; init; }

    /// <summary>Only say what would be done.</summary>
    public bool DryRun { get; init; }

    /// <summary>The control plane's time, by which the agent judges ages.</summary>
    public DateTimeOffset? OrderedAt { get; init; }
}

/// <summary>A backup order without its envelope: the policy as it was when the run began.</summary>
public sealed record BackupTask
{
    /// <summary>The run.</summary>
    public required string Run { get; init; }

    /// <summary>The asset.</summary>
    public required string Asset { get; init; }

    /// <summary>Which source: <c>files</c> or <c>postgres</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>The vault in the agent's configuration.</summary>
    public required string Vault { get; init; }

    /// <summary>Further tags of the snapshot.</summary>
    public Dictionary<string, string> Tags { get; init; } = [];

    /// <summary>Files only.</summary>
    public string[] Paths { get; init; } = [];

    /// <summary>Files only.</summary>
    public string[] Excludes { get; init; } = [];

    /// <summary>Files only.</summary>
    public bool OneFileSystem { get; init; }

    /// <summary>Postgres only.</summary>
    public string? Connection { get; init; }

    /// <summary>What is done around it, by names in the agent's configuration; null: nothing.</summary>
    public BackupHooks? Hooks { get; init; }

    /// <summary>Postgres only: also dump databases logically; null: no dump.</summary>
    public DumpSettings? Dump { get; init; }

    /// <summary>Postgres only: the checkpoint that begins the backup is spread over time.</summary>
    public bool SpreadCheckpoint { get; init; }

    /// <summary>Postgres only: clients of the server are not yielded to.</summary>
    public bool FullSpeed { get; init; }

    /// <summary>Postgres only: how much of each table is recorded for later comparison, in MiB; null for the agent's default.</summary>
    public int? RecordMebibytes { get; init; }
}

/// <summary>A replication order without its envelope and without its SAS, which is made when the order is sent.</summary>
public sealed record ReplicateTask
{
    /// <summary>The vault in the agent's configuration.</summary>
    public required string Vault { get; init; }

    /// <summary>The snapshot.</summary>
    public required string SnapshotId { get; init; }

    /// <summary>Where to.</summary>
    public required ReplicaPlace Place { get; init; }
}

/// <summary>A restore order without its envelope and without its SAS.</summary>
public sealed record RestoreTask
{
    /// <summary>The restore.</summary>
    public required string Restore { get; init; }

    /// <summary>The asset.</summary>
    public required string Asset { get; init; }

    /// <summary>Which source made the snapshot: <c>files</c> or <c>postgres</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>The vault in the agent's configuration; with a replica, the vault whose restore key applies.</summary>
    public required string Vault { get; init; }

    /// <summary>The vault's own id.</summary>
    public required string VaultId { get; init; }

    /// <summary>The snapshot.</summary>
    public required string SnapshotId { get; init; }

    /// <summary>The replica to read; null for the vault itself.</summary>
    public ReplicaPlace? From { get; init; }

    /// <summary>Where to, on the agent's machine.</summary>
    public required string Target { get; init; }

    /// <summary>Patterns; empty for everything.</summary>
    public string[] Include { get; init; } = [];

    /// <summary>Existing files may be replaced.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Postgres only: recovered along the log from the snapshot on; null: not.</summary>
    public AgentApi.RecoveryGoal? Recovery { get; init; }

    /// <summary>How the restored database is proven; null: not at all.</summary>
    public AgentApi.ProofSettings? Proof { get; init; }

    /// <summary>What was restored is removed again at the end.</summary>
    public bool Discard { get; init; }

    /// <summary>The name of an <see cref="ArchiveReading"/>; null: the replica lies in no archive.</summary>
    public string? Archive { get; init; }
}

/// <summary>How a job ended: with a report that has a result, or with a failure.</summary>
public sealed record JobOutcome
{
    /// <summary>The agent's final report, of state succeeded or partial.</summary>
    public JobReport? Report { get; init; }

    /// <summary>Why there is no result.</summary>
    public JobFailure? Failure { get; init; }

    /// <summary>Why there is no result of the kind that was ordered: the failure, or that the report holds none.</summary>
    /// <param name="receipt">What the report is called.</param>
    public JobFailure WhyNoResult(string receipt = "receipt") =>
        Failure ?? new JobFailure(ReasonCodes.ReceiptRefused, $"The agent's {receipt} holds no result.", "Check the agent's version.");
}

/// <summary>Why something did not work.</summary>
/// <param name="Code">An agent's failure code as on the wire, or one of <see cref="ReasonCodes"/>.</param>
/// <param name="Text">What happened, for people.</param>
/// <param name="Hint">What to do about it.</param>
public sealed record JobFailure(string Code, string Text, string Hint)
{
    /// <summary>A fault in this program, or a catalog that stayed away: a step failed however often it was tried.</summary>
    public static JobFailure Of(TaskFailedException failed)
    {
        ArgumentNullException.ThrowIfNull(failed);
        return new(ReasonCodes.Internal, $"{failed.TaskName}: {failed.FailureDetails.ErrorMessage}", "See the log of the Functions app.");
    }
}

/// <summary>The control plane's own reasons, beside the agents' failure codes.</summary>
public static class ReasonCodes
{
    /// <summary>The agent did not answer for too long.</summary>
    public const string AgentUnreachable = "agent-unreachable";

    /// <summary>The job took longer than any job may.</summary>
    public const string TookTooLong = "took-too-long";

    /// <summary>The agent's receipt does not fit the order.</summary>
    public const string ReceiptRefused = "receipt-refused";

    /// <summary>Some files could not be read.</summary>
    public const string UnreadableFiles = "unreadable-files";

    /// <summary>A replica is missing, damaged or was not looked at.</summary>
    public const string ReplicaMissing = "replica-missing";

    /// <summary>A replica lacks something.</summary>
    public const string ReplicaDamaged = "replica-damaged";

    /// <summary>Off-site storage could not be used.</summary>
    public const string OffsiteUnavailable = "offsite-unavailable";

    /// <summary>Not every member of a group has a recovery point of its backup.</summary>
    public const string GroupIncomplete = "group-incomplete";

    /// <summary>The orchestration ended without closing its run.</summary>
    public const string Abandoned = "orchestration-ended";

    /// <summary>A fault in this program.</summary>
    public const string Internal = "internal";
}
