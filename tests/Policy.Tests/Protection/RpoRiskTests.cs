using Backup.Policy.Protection;
using Shouldly;

namespace Backup.Policy.Tests.Protection;

public sealed class RpoRiskTests
{
    [Theory]
    [InlineData(0, RpoState.Kept, true)]
    [InlineData(224, RpoState.Kept, true)]
    [InlineData(225, RpoState.Kept, false)]
    [InlineData(449, RpoState.Kept, false)]
    [InlineData(450, RpoState.AtRisk, false)]
    [InlineData(900, RpoState.AtRisk, false)]
    [InlineData(901, RpoState.Broken, false)]
    public void Assess_OfFifteenMinutes_WarnsAtHalfAndIsOverBelowAQuarter(int ageSeconds, RpoState state, bool isOver)
    {
        var (age, rpo) = (TimeSpan.FromSeconds(ageSeconds), TimeSpan.FromMinutes(15));
        RpoRisk.Assess(age, rpo).ShouldBe(state);
        RpoRisk.IsOver(age, rpo).ShouldBe(isOver);
    }
}
