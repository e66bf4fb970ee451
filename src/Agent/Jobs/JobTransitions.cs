using Backup.AgentApi;

namespace Backup.Agent.Jobs;

/// <summary>Which state of a job may follow which.</summary>
internal static class JobTransitions
{
    public static bool Allows(JobState from, JobState to) => (from, to) switch
    {
        (JobState.Queued, JobState.Running or JobState.Cancelled or JobState.Failed) => true,
        (JobState.Running, JobState.Succeeded or JobState.Partial or JobState.Failed or JobState.Cancelled) => true,
        (JobState.Running, JobState.Queued) => true, // The agent stopped; the job begins again after the restart.
        _ => false,
    };
}
