using System.Globalization;
using System.Text.Json;
using Backup.Catalog;
using Backup.Catalog.Restores;
using Backup.Catalog.Runs;
using Backup.Functions.Agents;
using Backup.Policy;
using Backup.Policy.States;
using Microsoft.Azure.Functions.Worker;

namespace Backup.Functions.Restores;

/// <summary>Records a restore and that its agent is about to be ordered.</summary>
/// <param name="restores">Where it is recorded.</param>
public sealed class OpenRestore(RestoreStore restores)
{
    /// <summary>Safe to repeat: the restore's id decides.</summary>
    [Function(nameof(OpenRestore))]
    public async Task<RestoreOutcome> RunAsync([ActivityTrigger] RestoreRequest request, CancellationToken cancel)
    {
        var task = request.Task;
        var id = new RestoreId(task.Restore);
        await restores.OpenAsync(
            new NewRestore(
                id,
                new AssetName(task.Asset),
                new RecoveryPointId(request.RecoveryPoint),
                new AgentName(request.Agent),
                task.From is { } from ? new TierName(from.Tier) : null,
                task.Target,
                task.Include,
                task.Overwrite,
                request.RequestedBy)
            { IsDrill = task.Discard, RecoverTo = task.Recovery is { } goal ? goal.RestorePoint ?? goal.Time?.ToString("O", CultureInfo.InvariantCulture) ?? RestoreRequest.Latest : null, IsDump = request.IsDump },
            cancel).ConfigureAwait(false);
        return CloseRestore.OutcomeOf(await restores.MarkOrderedAsync(id, cancel).ConfigureAwait(false));
    }
}

/// <summary>Closes a restore.</summary>
/// <param name="restores">Where it is recorded.</param>
public sealed class CloseRestore(RestoreStore restores)
{
    /// <summary>Safe to repeat: the first outcome stays.</summary>
    [Function(nameof(CloseRestore))]
    public async Task<RestoreOutcome> RunAsync([ActivityTrigger] RestoreEnding ending, CancellationToken cancel) => OutcomeOf(
        await restores.CloseAsync(
            new RestoreId(ending.Restore),
            Enum.Parse<RunState>(ending.State, ignoreCase: true),
            ending.Reason is { } reason ? new OutcomeReason(reason.Code, reason.Text, reason.Hint) : null,
            ending.Result is { } r ? new RestoredAmount(r.FilesRestored, r.BytesRestored, r.BytesWritten, r.VerifiedBytes) : null,
            ending.Result?.Proof is { } p ? new ProofRecord(p.AcceptedAt, p.ConsistentAt, p.CheckedAt, p.IsProven, JsonSerializer.Serialize(p)) : null,
            cancel).ConfigureAwait(false));

    internal static RestoreOutcome OutcomeOf(Restore restore) => new()
    {
        Restore = restore.Id.Value,
        State = restore.State.ToString().ToLowerInvariant(),
        Reason = restore.Reason is { } reason ? new JobFailure(reason.Code, reason.Text, reason.Hint) : null,
    };
}
