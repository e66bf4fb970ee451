using CsCheck;
using Shouldly;

namespace Backup.Policy.Tests.Parsing;

public sealed class DurationsTests
{
    [Theory]
    [InlineData("15min", 900)]
    [InlineData("1h", 3600)]
    [InlineData("1h30min", 5400)]
    [InlineData("2w1d", 1296000)]
    [InlineData("300s", 300)]
    public void Rpo_GoodDuration_IsRead(string text, int seconds) =>
        Parse(text).ServiceClasses.Single(c => c.Name.Value == "critical").Rpo.ShouldBe(TimeSpan.FromSeconds(seconds));

    [Theory]
    [InlineData("15m")]
    [InlineData("15")]
    [InlineData("1.5h")]
    [InlineData("-1h")]
    [InlineData("30min1h")]
    [InlineData("0h")]
    [InlineData("1 h")]
    [InlineData("900000d")]
    [InlineData("00:15:00")]
    [InlineData("30s")]
    public void Rpo_BadDuration_IsRefusedWithItsPlace(string text)
    {
        var problem = Should.Throw<PolicyException>(() => Parse(text)).Problems.Single();
        problem.At.ShouldBe(new PolicyPosition(2, 40));
    }

    [Theory]
    [InlineData("3661d")]
    [InlineData("999999w999999d999999h999999min999999999s")]
    public void Rpo_TooLongDuration_IsToldTheLimit(string text) =>
        Should.Throw<PolicyException>(() => Parse(text)).Problems.Single().Message.ShouldBe($"\"rpo\" is {text}; it has to be at most 3660d");

    [Fact]
    public void Rpo_AnyWholeSeconds_ReadsBack() => Gen.Long[120, 3660L * 86_400].Sample(seconds =>
    {
        var (days, hours, minutes, rest) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        var text = $"{days}d{hours}h{minutes}min{rest}s";
        Parse(text).ServiceClasses.Single(c => c.Name.Value == "critical").Rpo.ShouldBe(TimeSpan.FromSeconds(seconds));
    });

    private static PolicyDocument Parse(string rpo) => PolicyParser.Parse($"version: 1\nserviceClasses: [{{name: critical, rpo: \"{rpo}\"}}]", "p");
}
