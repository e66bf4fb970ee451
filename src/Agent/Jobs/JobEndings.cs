using Backup.Agent.Work;
using Backup.AgentApi;

namespace Backup.Agent.Jobs;

/// <summary>Reports of jobs that no work has made. Pure.</summary>
internal static class JobEndings
{
    /// <summary>There is no such job.</summary>
    public static JobReport Unknown(OrderId id) => new() { OrderId = id, State = JobState.Unknown };

    /// <summary>Somebody stopped it.</summary>
    /// <param name="job">Which.</param>
    /// <param name="now">When it ended.</param>
    /// <param name="left">What it leaves behind, as a sentence; null when nothing.</param>
    public static JobReport Cancelled(Job job, DateTimeOffset now, string? left = null) => job.Report() with
    {
        State = JobState.Cancelled,
        Progress = null,
        EndedAt = now,
        Failure = new Failure { Code = FailureCode.Cancelled, Message = "The job was cancelled.", Hint = "Order it again under a new id if it is wanted after all." }.Leaving(left),
    };

    /// <summary>It killed the agent too often; or somebody stopped it after such deaths.</summary>
    /// <inheritdoc cref="Cancelled"/>
    public static JobReport GivenUp(Job job, DateTimeOffset now, string? left) => job.IsCancelRequested ? Cancelled(job, now, left) : job.Report() with
    {
        State = JobState.Failed,
        EndedAt = now,
        Failure = new Failure
        {
            Code = FailureCode.Interrupted,
            Message = $"The agent died {job.Attempts} times while it worked on this job.",
            Hint = "The agent's log and the system's log (out of memory?) around those times say why. Order again under a new id.",
        }.Leaving(left),
    };
}
