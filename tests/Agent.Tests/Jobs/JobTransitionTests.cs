using Backup.Agent.Jobs;
using Backup.AgentApi;
using Shouldly;

namespace Backup.Agent.Tests.Jobs;

public sealed class JobTransitionTests
{
    [Fact]
    public void Allows_EveryPair_IsThisTableAndNoOther()
    {
        var allowed = from a in Enum.GetValues<JobState>() from b in Enum.GetValues<JobState>() where JobTransitions.Allows(a, b) select (a, b);

        allowed.ShouldBe(
        [
            (JobState.Queued, JobState.Running), (JobState.Queued, JobState.Failed), (JobState.Queued, JobState.Cancelled),
            (JobState.Running, JobState.Queued), (JobState.Running, JobState.Succeeded), (JobState.Running, JobState.Partial),
            (JobState.Running, JobState.Failed), (JobState.Running, JobState.Cancelled),
        ]);
    }

    [Fact]
    public void Allows_AFinalState_LeadsNowhere() =>
        Enum.GetValues<JobState>().Where(s => s.IsFinal()).ShouldAllBe(s => !Enum.GetValues<JobState>().Any(to => JobTransitions.Allows(s, to)));
}
