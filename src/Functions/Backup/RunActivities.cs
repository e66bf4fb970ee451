using Backup.AgentApi;
using Backup.Catalog;
using Backup.Catalog.RecoveryPoints;
using Backup.Catalog.Runs;
using Backup.Functions.Agents;
using Backup.Functions.Startup;
using Backup.Policy;
using Backup.Policy.States;
using Microsoft.Azure.Functions.Worker;
using SourceKind = Backup.Policy.SourceKind;

namespace Backup.Functions.Backups;

/// <summary>A run to open: the instance id, which becomes the run's, and what was asked.</summary>
public sealed record OpenRunRequest(string Run, BackupRequest Request);

/// <summary>Opens a run and fixes what it will do.</summary>
/// <param name="policy">The policy now.</param>
/// <param name="settings">The patience now.</param>
/// <param name="runs">Where the run is recorded.</param>
public sealed class OpenRun(PolicyDocument policy, ControlPlaneSettings settings, RunStore runs)
{
    /// <summary>Safe to repeat: the run's id decides. A changed policy between two repetitions is harmless, since only the last answer is used.</summary>
    [Function(nameof(OpenRun))]
    public async Task<RunOpened> RunAsync([ActivityTrigger] OpenRunRequest request, CancellationToken cancel)
    {
        if (policy.FindAsset(new AssetName(request.Request.Asset)) is not { } asset)
        {
            // The policy lost the asset between the request and now; there is no run to record a failure in.
            return Over(request.Run, request.Request.Asset, "skipped", null, new JobFailure("unknown-asset", $"Asset {request.Request.Asset} is not in the policy.", "Put it back, or ignore this."));
        }

        var opened = await runs.OpenAsync(new NewRun(new RunId(request.Run), asset.Name, asset.Agent, asset.Vault, request.Request.RequestedBy), cancel).ConfigureAwait(false);
        return opened.Opening switch
        {
            RunOpening.Open => new RunOpened { Plan = Plan(request, asset) },
            RunOpening.Ended => new RunOpened { Outcome = CloseRun.OutcomeOf(opened.Run) },
            _ => Over(
                opened.Run.Id.Value, asset.Name.Value, "skipped", null, new JobFailure("asset-busy", $"Run {opened.Run.Id} of the asset is still open.", "Wait for it.")),
        };
    }

    private static RunOpened Over(string run, string asset, string state, string? point, JobFailure reason) =>
        new() { Outcome = new RunOutcome { Run = run, Asset = asset, State = state, RecoveryPoint = point, Reason = reason } };

    private BackupPlan Plan(OpenRunRequest request, Asset asset) => new()
    {
        Run = request.Run,
        Agent = asset.Agent.Value,
        Task = new BackupTask
        {
            Run = request.Run,
            Asset = asset.Name.Value,
            Kind = asset.Kind.ToString().ToLowerInvariant(),
            Vault = asset.Vault.Value,
            Tags = request.Request.Tags,
            Paths = [.. asset.Paths],
            Excludes = [.. asset.Excludes],
            OneFileSystem = asset.OneFileSystem,
            Connection = asset.Kind is SourceKind.Postgres ? asset.Connection : null,
            Hooks = request.Request.Group is not null || asset.Hooks is { Before.Count: 0, After.Count: 0 } ? null : new BackupHooks { Before = [.. asset.Hooks.Before], After = [.. asset.Hooks.After] },
            Dump = asset.Dump is { } dump ? new DumpSettings { Databases = [.. dump.Databases] } : null,
            SpreadCheckpoint = asset.SpreadCheckpoint,
            FullSpeed = asset.FullSpeed,
            RecordMebibytes = asset.Kind is SourceKind.Postgres ? asset.Proof.RecordMebibytes : null,
        },
        Places = [.. policy.TiersOf(asset).Select(tier => ReplicaPlace.Of(tier, asset.Agent, asset.Vault))],
        Patience = settings.Patience,
        ClassPriority = policy.ServiceClassOf(asset).Priority,
    };
}

/// <summary>Notes that the agent is about to be ordered: from here on a receipt can make a recovery point.</summary>
/// <param name="runs">Where the run is recorded.</param>
public sealed class MarkRunOrdered(RunStore runs)
{
    /// <summary>Safe to repeat.</summary>
    [Function(nameof(MarkRunOrdered))]
    public async Task<string> RunAsync([ActivityTrigger] string run, CancellationToken cancel) =>
        (await runs.MarkOrderedAsync(new RunId(run), cancel).ConfigureAwait(false)).State.ToString();
}

/// <summary>Publishes the recovery point of a receipt.</summary>
/// <param name="points">Where it is published.</param>
public sealed class PublishRecoveryPoint(RecoveryPointStore points)
{
    /// <summary>Safe to repeat: the same receipt gives the same point.</summary>
    [Function(nameof(PublishRecoveryPoint))]
    public async Task<PublishOutcome> RunAsync([ActivityTrigger] PublishRequest request, CancellationToken cancel)
    {
        try
        {
            var receipt = new BackupReceipt(new RunId(request.Plan.Run), new AssetName(request.Plan.Task.Asset), Facts(request.Result));
            return new PublishOutcome { RecoveryPoint = (await points.PublishAsync(receipt, cancel).ConfigureAwait(false)).Id.Value };
        }
        catch (CatalogException e) when (e.Fault is CatalogFault.ReceiptRefused or CatalogFault.NotAllowed)
        {
            return new PublishOutcome { Refusal = new JobFailure(ReasonCodes.ReceiptRefused, e.Message.Split('\n')[0], e.Hint) };
        }
    }

    private static SnapshotFacts Facts(BackupResult result) => new(
        result.VaultId,
        result.SnapshotId,
        Enum.Parse<SourceKind>(result.SourceKind.ToString()),
        result.EndedAt,
        result.StartedAt,
        result.BytesRead,
        result.BytesNew,
        result.BytesStored,
        result.FilesTotal,
        result.FilesUnreadableTotal,
        [.. result.FilesUnreadable.Select(f => new UnreadableEntry(f.Path, f.Reason))],
        result.ConsistencyPoint is { } p ? new LogPosition(p.Timeline, p.StartLsn, p.StopLsn, p.FirstWal, p.LastWal, p.RestorePoint, result.DumpSnapshotId) : null);
}

/// <summary>Closes a run.</summary>
/// <param name="runs">Where the run is recorded.</param>
public sealed class CloseRun(RunStore runs)
{
    /// <summary>Safe to repeat: the first outcome stays.</summary>
    [Function(nameof(CloseRun))]
    public async Task<RunOutcome> RunAsync([ActivityTrigger] RunEnding ending, CancellationToken cancel) =>
        OutcomeOf(await EndAsync(runs, new RunId(ending.Run), Enum.Parse<RunState>(ending.State, ignoreCase: true), ending.Reason, cancel).ConfigureAwait(false));

    /// <summary>Ends a run; one that has a recovery point never ends as failed, whatever went wrong afterwards: it is partial.</summary>
    public static async Task<Run> EndAsync(RunStore runs, RunId id, RunState state, JobFailure? reason, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(runs);
        if (state is RunState.Failed or RunState.Cancelled && await runs.FindAsync(id, cancel).ConfigureAwait(false) is { RecoveryPoint: not null })
        {
            state = RunState.Partial;
        }

        return await runs.CloseAsync(id, state, reason is null ? null : new OutcomeReason(reason.Code, reason.Text, reason.Hint), cancel).ConfigureAwait(false);
    }

    internal static RunOutcome OutcomeOf(Run run) => new()
    {
        Run = run.Id.Value,
        Asset = run.Asset.Value,
        State = run.State.ToString().ToLowerInvariant(),
        RecoveryPoint = run.RecoveryPoint?.Value,
        Reason = run.Reason is { } reason ? new JobFailure(reason.Code, reason.Text, reason.Hint) : null,
    };
}
