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
    Task<JobOutcome> RunAsync(OrderId id, OrderPayload order, IProgress<JobProgress> progress, CancellationToken cancel);
}
