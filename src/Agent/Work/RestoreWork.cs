using Backup.Agent.Access;
using Backup.AgentApi;
using Backup.Sources;
using Backup.Sources.Files;
using Backup.Sources.Postgres;
using Backup.Sources.Postgres.Recovery;
using Backup.Vault;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;

namespace Backup.Agent.Work;

/// <summary>Brings a snapshot back, from a vault or a replica, to a place its owner allows.</summary>
/// <remarks>
/// (1) is it allowed (2) open the vault with the restore key (3) find the snapshot (4) write and verify (5) prove (6) remove, for a drill (7) report.
/// </remarks>
internal sealed class RestoreWork(PathGuard guard, RestoreSource source, RestoreNotes notes, RestoreProof proofs, TimeProvider time)
{
    private const int ProblemsTold = 5;

    public async Task<JobOutcome> RunAsync(OrderId id, DateTimeOffset acceptedAt, RestoreOrder order, IProgress<JobProgress> progress, CancellationToken cancel)
    {
        if (Refuse(order) is { } refusal)                                                                         // (1)
        {
            return JobOutcome.Failed(refusal);
        }

        var done = notes.FindResult(id);
        if (done is not null && order.SourceKind == SourceKind.Postgres)
        {
            // A mark left behind would let another order write into this cluster.
            PostgresRestore.Unmark(order.Target);
        }

        if (done is not null && (order.Proof is null || done.Proof is not null))
        {
            return Finish(order, Report(done));
        }

        var (vault, packs) = order.Archive is null                                                                // (2)
            ? (await source.OpenAsync(order.From, cancel).ConfigureAwait(false), null)
            : await source.OpenArchiveAsync(order.From, cancel).ConfigureAwait(false);
        var isWaiting = order.Archive is ArchiveReading.Ready ? packs!.IsWaiting : (Func<ObjectName, bool>?)null;
        var (snapshot, missing) = await RestoreSource.FindAsync(vault, order.SnapshotId, cancel).ConfigureAwait(false);    // (3)
        if (snapshot is null)
        {
            return JobOutcome.Failed(missing!);
        }

        var report = done is not null ? Report(done) : await RestoreAsync(id, vault, snapshot, order, isWaiting, new TransferNote(progress), cancel).ConfigureAwait(false);   // (4)
        if (order.Proof is { } wanted && report.State == JobState.Succeeded)
        {
            report = await ProveAsync(id, acceptedAt, vault, snapshot.Id, wanted, report.Restore!, progress, cancel).ConfigureAwait(false);   // (5)
        }

        return Finish(order, report);                                                                             // (6), (7)
    }

    /// <summary>A drill that failed or was cancelled leaves nothing behind either; any other restore is left as it is, marked as unfinished.</summary>
    /// <inheritdoc cref="IOrderWork.Abandon"/>
    public string? Abandon(OrderId id, RestoreOrder order)
    {
        try
        {
            if (order.Discard && notes.HasBegun(id))
            {
                Discard(order);
            }

            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"What it had restored could not be removed from {order.Target}: {e.Message}";
        }
    }

    private async Task<JobOutcome> ProveAsync(
        OrderId id, DateTimeOffset acceptedAt, OpenVault vault, SnapshotId snapshot, ProofSettings wanted, RestoreResult restored, IProgress<JobProgress> progress, CancellationToken cancel)
    {
        try
        {
            var proven = restored with { Proof = await proofs.RunAsync(vault, snapshot, wanted, restored, acceptedAt, progress, cancel).ConfigureAwait(false) };
            notes.KeepResult(id, proven);
            return Report(proven);
        }
        catch (SourcesException e) when (!cancel.IsCancellationRequested)
        {
            return Report(restored) with
            {
                State = JobState.Partial,
                Failure = new Failure { Code = FailureCode.ProofFailed, Message = $"What was restored could not be proven: {e.Message.Split('\n')[0]}", Hint = e.Hint },
            };
        }
    }

    private static JobOutcome Report(RestoreResult result) => new()
    {
        State = result.Proof is { IsProven: false } ? JobState.Partial : JobState.Succeeded,
        Restore = result,
        Failure = result.Proof is { IsProven: false } failed ? RestoreProof.FailureOf(failed) : null,
    };

    private static JobOutcome Finish(RestoreOrder order, JobOutcome report)
    {
        if (order.Discard && report.Restore is not null)
        {
            Discard(order);
        }

        return report;
    }

    /// <summary>A drill leaves nothing behind. Its target was empty before: <see cref="RestoreNotes.OwnsTarget"/> saw to it.</summary>
    private static void Discard(RestoreOrder order)
    {
        foreach (var place in (string[])[order.Target.TrimEnd('/'), order.Target.TrimEnd('/') + ".tablespaces"])
        {
            if (Directory.Exists(place))
            {
                Directory.Delete(place, recursive: true);
            }
        }
    }

    // A cluster's tablespaces go beside its data directory, which must be allowed too.
    private Failure? Refuse(RestoreOrder order) => guard.RefuseTarget(order.Target)
        ?? (order.SourceKind == SourceKind.Postgres ? guard.RefuseTarget(order.Target.TrimEnd('/') + ".tablespaces") : null);

    private async Task<JobOutcome> RestoreAsync(OrderId id, OpenVault vault, SnapshotInfo snapshot, RestoreOrder order, Func<ObjectName, bool>? isWaiting, TransferNote progress, CancellationToken cancel)
    {
        var isOurs = notes.OwnsTarget(id, order.Target);
        if (order.Discard && !isOurs)
        {
            return JobOutcome.Failed(new Failure { Code = FailureCode.TargetUnusable, Message = $"{order.Target} holds something, which a drill would remove.", Hint = "Name an empty folder, or one that does not exist yet." });
        }

        var (outcome, way) = await RestoreAsync(id, vault, snapshot, order, isOurs || order.Overwrite, isWaiting, progress, cancel).ConfigureAwait(false);
        var report = Report(outcome, way);
        if (outcome.IsComplete)
        {
            notes.KeepResult(id, report.Restore!);
        }

        return report;
    }

    private async Task<(RestoreOutcome Outcome, RecoveryResult? Recovery)> RestoreAsync(
        OrderId id, OpenVault vault, SnapshotInfo snapshot, RestoreOrder order, bool overwrite, Func<ObjectName, bool>? isWaiting, TransferNote progress, CancellationToken cancel)
    {
        if (order is { SourceKind: SourceKind.Postgres, Recovery: { } goal })
        {
            return await RecoverAsync(id, vault, snapshot, order, goal, progress, cancel).ConfigureAwait(false);
        }

        if (order.SourceKind == SourceKind.Postgres)
        {
            return (await new PostgresRestore(time).RestoreAsync(vault, snapshot.Id, Cluster(id, order, null), progress, cancel).ConfigureAwait(false), null);
        }

        var request = new FilesRestoreRequest { Target = order.Target, Include = order.Include, Overwrite = overwrite, IsWaiting = isWaiting };
        return (await new FilesRestore(time).RestoreAsync(vault, snapshot.Id, request, progress, cancel).ConfigureAwait(false), null);
    }

    /// <summary>The log is put into the cluster: whoever starts it needs neither the vault nor a key, and what cannot be reached is known before anything is written.</summary>
    private async Task<(RestoreOutcome Outcome, RecoveryResult? Recovery)> RecoverAsync(
        OrderId id, OpenVault vault, SnapshotInfo snapshot, RestoreOrder order, RecoveryGoal goal, TransferNote progress, CancellationToken cancel)
    {
        var request = new RecoveryRequest
        {
            Asset = order.Asset,
            Goal = goal.RestorePoint is { } point ? RecoveryTarget.AtRestorePoint(point) : goal.Time is { } at ? RecoveryTarget.At(at) : RecoveryTarget.Latest,
            BaseBackup = snapshot.Id,
            RestoreCommand = null,
            Files = new PostgresRestoreRequest { Target = order.Target },
        };
        var recovery = new PostgresRecovery(time);
        var plan = await recovery.PlanAsync(vault, request, measure: false, cancel).ConfigureAwait(false);
        var way = new RecoveryResult { Timeline = plan.Timeline, FromLsn = plan.ReplayFrom.ToString(), ToLsn = plan.ReplayTo.ToString() };
        return (await recovery.RunAsync(vault, request with { Files = Cluster(id, order, way) }, plan, progress, cancel).ConfigureAwait(false), way);
    }

    private PostgresRestoreRequest Cluster(OrderId id, RestoreOrder order, RecoveryResult? way) => new()
    {
        Target = order.Target,
        // Noted while the target is still marked as unfinished: dying in between must not make the repetition find a stranger's cluster.
        WhenInPlace = inPlace => notes.KeepResult(id, Report(inPlace, way).Restore!),
    };

    private static JobOutcome Report(RestoreOutcome outcome, RecoveryResult? way) => new()
    {
        State = outcome.ItemsFailed == 0 ? JobState.Succeeded : JobState.Partial,
        Restore = new RestoreResult
        {
            Target = outcome.Target,
            FilesRestored = outcome.FilesRestored,
            BytesRestored = outcome.BytesRestored,
            BytesWritten = outcome.BytesWritten,
            VerifiedBytes = outcome.BytesVerified,
            FilesWaiting = outcome.FilesWaiting,
            EndedAt = outcome.EndedAt,
            Recovery = way,
        },
        Failure = outcome.ItemsFailed == 0 ? null : new Failure
        {
            Code = FailureCode.TargetUnusable,
            Message = $"{outcome.ItemsFailed} items are not in place: "
                + string.Join("; ", outcome.Problems.Where(p => p.Kind == ItemProblemKind.Unreadable).Take(ProblemsTold).Select(p => $"{p.Path}: {p.Reason}")),
            Hint = "Mend what the reasons name, then order the restore again with overwriting; only what is missing is written.",
        },
    };
}
