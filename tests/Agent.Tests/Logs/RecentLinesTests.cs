using Backup.Agent.Logs;
using Backup.AgentApi;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Shouldly;

namespace Backup.Agent.Tests.Logs;

public sealed class RecentLinesTests
{
    [Theory]
    [InlineData("PUT https://a.example/c?sv=1&sig=SECRET%3D&se=2 failed", "PUT https://a.example/c?sv=1&sig=***&se=2 failed")]
    [InlineData("Host=h;Password=SECRET;Timeout=5", "Host=h;Password=***;Timeout=5")]
    [InlineData("AccountKey=SECRET", "AccountKey=***")]
    [InlineData("job design=7 ended", "job design=7 ended")]
    public void Mask_OfWhatLooksLikeASecret_HidesIt(string text, string shown) => RecentLines.Mask(text).ShouldBe(shown);

    [Fact]
    public void Tail_OfManyLongLines_IsBounded()
    {
        using var lines = new RecentLines(new FakeTimeProvider());
        var logger = ((ILoggerProvider)lines).CreateLogger("x");
        for (var i = 0; i < LogQuery.LinesMax + 5; i++)
        {
            logger.Log(LogLevel.Warning, new EventId(i), i, null, (n, _) => n + new string('x', 2 * LogQuery.LineCharsMax));
        }

        logger.Log(LogLevel.Debug, new EventId(1), 0, null, (_, _) => "not kept");
        var tail = lines.Tail(new LogQuery { Lines = LogQuery.LinesMax }).Lines;
        tail.Count.ShouldBe(LogQuery.LinesMax);
        (tail[^1].Event, tail[^1].Level, tail[^1].Text.Length).ShouldBe((LogQuery.LinesMax + 4, "warning", LogQuery.LineCharsMax));
        lines.Tail(new LogQuery { Lines = 2 }).Lines.Select(l => l.Event).ShouldBe([LogQuery.LinesMax + 3, LogQuery.LinesMax + 4]);
    }
}
