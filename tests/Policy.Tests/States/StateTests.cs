using Backup.Policy.States;
using Shouldly;

namespace Backup.Policy.Tests.States;

public sealed class StateTests
{
    private static readonly HashSet<(RunState, RunState)> AllowedChanges =
    [
        (RunState.Queued, RunState.Running), (RunState.Queued, RunState.Failed), (RunState.Queued, RunState.Cancelled),
        (RunState.Running, RunState.Succeeded), (RunState.Running, RunState.Partial), (RunState.Running, RunState.Failed), (RunState.Running, RunState.Cancelled),
    ];

    public static TheoryData<RunState, RunState> EveryPair
    {
        get
        {
            var pairs = new TheoryData<RunState, RunState>();
            foreach (var from in Enum.GetValues<RunState>())
            {
                foreach (var to in Enum.GetValues<RunState>())
                {
                    pairs.Add(from, to);
                }
            }

            return pairs;
        }
    }

    [Theory]
    [MemberData(nameof(EveryPair))]
    public void Allows_EveryPair_IsAsListed(RunState from, RunState to) => RunStates.Allows(from, to).ShouldBe(AllowedChanges.Contains((from, to)));

    [Theory]
    [MemberData(nameof(EveryPair))]
    public void IsFinal_MeansNothingFollows(RunState from, RunState to) => (RunStates.IsFinal(from) && RunStates.Allows(from, to)).ShouldBeFalse();

    [Fact]
    public void HasRecoveryPoint_OnlyAfterSuccessOrPartial() =>
        Enum.GetValues<RunState>().Where(RunStates.HasRecoveryPoint).ShouldBe([RunState.Succeeded, RunState.Partial]);

    [Theory]
    [InlineData(null, ProtectionState.Unprotected)]
    [InlineData(-5, ProtectionState.Protected)]
    [InlineData(60, ProtectionState.Protected)]
    [InlineData(61, ProtectionState.Late)]
    public void Assess_FollowsFromTheNewestPoint(int? ageMinutes, ProtectionState expected)
    {
        var now = new DateTimeOffset(2026, 5, 4, 12, 0, 0, TimeSpan.Zero);
        ProtectionStates.Assess(now, ageMinutes is { } age ? now.AddMinutes(-age) : null, TimeSpan.FromHours(1)).ShouldBe(expected);
    }
}
