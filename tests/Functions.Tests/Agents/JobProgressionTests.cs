using Backup.AgentApi;
using Backup.Functions.Agents;
using CsCheck;
using Shouldly;

namespace Backup.Functions.Tests.Agents;

public sealed class JobProgressionTests
{
    private static readonly DateTime Start = new(2026, 5, 4, 12, 0, 0, DateTimeKind.Utc);

    private static readonly AgentSays Silence = new() { Kind = AgentSaysKind.Silent, IsTransient = true, Failure = new(ReasonCodes.AgentUnreachable, "Nobody.", "") };

    private static readonly AgentSays Working = new() { Kind = AgentSaysKind.Working, Report = new JobReport { OrderId = OrderId.Parse("x"), State = JobState.Running } };

    [Theory]
    [InlineData(false, 600)]
    [InlineData(true, 7200)]
    public void Next_SilenceWithoutEnd_GivesUpAfterThePatienceOfItsStage(bool accepted, int seconds)
    {
        var (outcome, at, questions) = Run(Job() with { IsAccepted = accepted }, (_, _) => Silence);
        outcome.Failure!.Code.ShouldBe(ReasonCodes.AgentUnreachable);
        (at - Start).TotalSeconds.ShouldBe(seconds);
        questions.ShouldBeLessThan((seconds / JobPatience.SilenceWaitSecondsMax) + 10);
    }

    [Fact]
    public void Next_SilencesWithAnswersBetween_StartAnew()
    {
        var (outcome, at, _) = Run(Job(), (n, _) => n % 5 == 4 ? Working : Silence);
        outcome.Failure!.Code.ShouldBeOneOf(ReasonCodes.TookTooLong, ReasonCodes.AgentUnreachable);
        (at - Start).TotalSeconds.ShouldBeGreaterThanOrEqualTo(JobPatience.JobSecondsDefault);
    }

    [Fact]
    public void Next_SilenceThatIsNotTransient_EndsAtOnce() =>
        JobProgression.Next(Job(), Silence with { IsTransient = false }, Start).Outcome!.Failure!.Text.ShouldBe("Nobody.");

    [Fact]
    public void Next_Cancelled_IsNeverOrderedAgain()
    {
        var report = new JobReport { OrderId = OrderId.Parse("x"), State = JobState.Cancelled, Failure = new Failure { Code = FailureCode.Cancelled, Message = "stopped", IsTransient = true } };
        JobProgression.Next(Job(), new AgentSays { Kind = AgentSaysKind.Ended, Report = report }, Start).Outcome!.Failure!.Code.ShouldBe("cancelled");
    }

    [Fact]
    public void OrderId_OfEachAttempt_IsItsOwnAndStable()
    {
        Job().OrderId().ShouldBe(Job().OrderId());
        (Job() with { Attempt = 2 }).OrderId().ShouldNotBe(Job().OrderId());
        (Job() with { OrderKey = "other" }).OrderId().ShouldNotBe(Job().OrderId());
    }

    /// <summary>Whatever an agent says, for as long as it likes: the job ends, in bounded time and attempts. CsCheck prints the seed.</summary>
    [Fact]
    public void Next_AnyConversation_Ends() =>
        Gen.Select(Gen.Int[0, 5].Array[1, 200], Gen.Int[1, 300], Gen.Int[1, 3000]).Sample(
            conversation =>
            {
                var (words, offline, jobSeconds) = conversation;
                var job = Job() with { Patience = new JobPatience { OfflineSeconds = offline, LostContactSeconds = offline * 2, JobSeconds = jobSeconds } };
                var attempts = 1;
                var (outcome, at, _) = Run(job, (n, state) =>
                {
                    attempts = Math.Max(attempts, state.Attempt);
                    return words[n % words.Length] switch
                    {
                        0 or 1 => Silence,
                        2 => new AgentSays { Kind = AgentSaysKind.Refused, IsTransient = true, Failure = new("busy", "busy", "") },
                        3 => new AgentSays { Kind = AgentSaysKind.Ended, Report = new JobReport { OrderId = OrderId.Parse("x"), State = JobState.Failed, Failure = new Failure { Code = FailureCode.SourceUnavailable, Message = "x", IsTransient = true } } },
                        _ => Working,
                    };
                });
                outcome.Failure.ShouldNotBeNull();
                attempts.ShouldBeLessThanOrEqualTo(JobPatience.AttemptsMax);
                (at - Start).TotalSeconds.ShouldBeLessThanOrEqualTo(jobSeconds + (JobPatience.RetrySecondsDefault * 2) + 2);
            },
            iter: 500);

    private static AgentJobRequest Job() => new()
    {
        Agent = "lab-agent-1",
        OrderKey = "run/backup",
        Task = new AgentTask(),
        Patience = new JobPatience(),
    };

    private static (JobOutcome Outcome, DateTime At, int Questions) Run(AgentJobRequest job, Func<int, AgentJobRequest, AgentSays> agent)
    {
        var now = Start;
        for (var question = 0; ; question++)
        {
            var step = JobProgression.Next(job, agent(question, job), now);
            if (step.Outcome is { } outcome)
            {
                return (outcome, now, question + 1);
            }

            step.Wait.ShouldBeGreaterThan(TimeSpan.Zero);
            now += step.Wait;
            job = step.Next;
        }
    }
}
