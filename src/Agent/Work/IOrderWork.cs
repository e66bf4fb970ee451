using Backup.AgentApi;

namespace Backup.Agent.Work;

/// <summary>What a job came to, when it was not stopped.</summary>
internal sealed record JobOutcome
{
    /// <summary>Succeeded, Partial or Failed.</summary>
    public required JobState State { get; init; }

    public BackupResult? Backup { get; init; }

    public RestoreResult? Restore { get; init; }

    public ReplicateResult? Replicate { get; init; }

    public PruneResult? Prune { get; init; }

    public VerifyResult? Verify { get; init; }

    public TidyResult? Tidy { get; init; }

    public SurveyResult? Survey { get; init; }

    public Failure? Failure { get; init; }

    public static JobOutcome Failed(Failure failure) => new() { State = JobState.Failed, Failure = failure };
}

/// <summary>Does what job orders say.</summary>
/// <remarks>
/// Idempotent per order: the same order id may run again from its start after any crash, even after its work was complete but
/// not yet journaled, and then ends with an equal result. Expected failures are outcomes; <see cref="OperationCanceledException"/>
/// is thrown only when the token asks for it.
/// </remarks>
internal interface IOrderWork
{
    /// <param name="id">The job.</param>
    /// <param name="acceptedAt">When the order was accepted: what takes time is measured from here, restarts included.</param>
    /// <param name="order">What to do.</param>
    /// <param name="progress">Told how far it is.</param>
    /// <param name="cancel">Somebody asked to stop, or the agent stops.</param>
    Task<JobOutcome> RunAsync(OrderId id, DateTimeOffset acceptedAt, OrderPayload order, IProgress<JobProgress> progress, CancellationToken cancel);

    /// <summary>The job failed, was given up, or was cancelled while it ran or after an attempt that died: removes what it has made and nobody will want.</summary>
    /// <returns>What could not be removed and why, as a sentence; null when nothing is left.</returns>
    string? Abandon(OrderId id, OrderPayload order);
}
