using Backup.Services.Testing;
using Backup.Standalone.Tests.Http;
using Backup.Standalone.Timers;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Shouldly;

namespace Backup.Standalone.Tests.Timers;

public sealed class TimerTests(PostgresFixture postgres)
{
    [Theory]
    [InlineData("0 */5 * * * *", "2026-01-01T00:02:03Z", "2026-01-01T00:05:00Z")]
    [InlineData("30 0 9-17 * * MON-FRI", "2026-01-02T17:00:30Z", "2026-01-05T09:00:30Z")]
    [InlineData("*/15 * * * *", "2026-01-01T00:16:00Z", "2026-01-01T00:30:00Z")]
    [InlineData("01:30:00", "2026-01-01T00:00:00Z", "2026-01-01T01:30:00Z")]
    public void Next_OfASchedule_IsTheFirstAfter(string schedule, string after, string expected) =>
        TimerSchedule.Parse(schedule, TimeZoneInfo.Utc).Next(Utc(after)).ShouldBe(Utc(expected));

    [Theory]
    [InlineData("0 30 2 * * *", "2026-03-08T06:00:00Z", "2026-03-08T07:00:00Z")]
    [InlineData("0 30 2 * * *", "2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z")]
    [InlineData("0 30 1 * * *", "2026-11-01T04:00:00Z", "2026-11-01T05:30:00Z")]
    [InlineData("0 30 1 * * *", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z")]
    [InlineData("0 */15 * * * *", "2026-11-01T05:45:00Z", "2026-11-01T06:00:00Z")]
    [InlineData("0 */15 * * * *", "2026-11-01T06:45:00Z", "2026-11-01T07:00:00Z")]
    [InlineData("0 0 9 * * *", "2026-07-01T00:00:00Z", "2026-07-01T13:00:00Z")]
    [InlineData("0 0 9 * * *", "2026-12-01T00:00:00Z", "2026-12-01T14:00:00Z")]
    public void Next_InAZoneWithSummerTime_RunsOnceAtATimeThatComesTwiceOrNever(string schedule, string after, string expected) =>
        TimerSchedule.Parse(schedule, TimeZoneInfo.FindSystemTimeZoneById("America/New_York")).Next(Utc(after)).ShouldBe(Utc(expected));

    [Theory]
    [InlineData("")]
    [InlineData("every day")]
    [InlineData("0 0 25 * * *")]
    [InlineData("-00:01:00")]
    public void Parse_OfNonsense_SaysSo(string schedule) =>
        Should.Throw<StandaloneException>(() => TimerSchedule.Parse(schedule, TimeZoneInfo.Utc)).Fault.ShouldBe(StandaloneFault.FunctionDefinition);

    [Fact]
    public async Task RunOnStartup_Fires_AndAMissedFiringIsMadeUpFor()
    {
        var database = await postgres.CreateDatabaseAsync();
        var ledger = new TimerLedger();
        await using (await FunctionsApp.StartAsync(database, b => b.Services.AddSingleton(ledger)))
        {
            await UntilAsync(() => ledger.Firings.Any(f => f.Function == "OnStart"));
        }

        ledger.Firings.ShouldAllBe(f => f.Function == "OnStart" && !f.Info.IsPastDue);
        await using (var source = NpgsqlDataSource.Create(database))
        {
            await using var command = source.CreateCommand(
                "UPDATE hub_durablehub.schedules SET next_at = now() - interval '1 hour' WHERE function_name = 'Yearly'");
            await command.ExecuteNonQueryAsync();
        }

        await using (await FunctionsApp.StartAsync(database, b => b.Services.AddSingleton(ledger)))
        {
            await UntilAsync(() => ledger.Firings.Any(f => f.Function == "Yearly"));
        }

        var missed = ledger.Firings.Single(f => f.Function == "Yearly").Info;
        missed.IsPastDue.ShouldBeTrue();
        missed.ScheduleStatus!.Next.ShouldBeGreaterThan(DateTime.UtcNow);
    }

    [Fact]
    public async Task OneFiring_HappensInOneOfSeveralProcesses()
    {
        var database = await postgres.CreateDatabaseAsync();
        var ledger = new TimerLedger();
        var settings = new Dictionary<string, string?> { ["Test:Schedule"] = "00:00:02" };
        await using (await FunctionsApp.StartAsync(database, b => b.Services.AddSingleton(new TimerLedger()), settings))
        {
            // Leaves the schedule behind with its first firing a moment ahead.
        }

        await using (await FunctionsApp.StartAsync(database, b => b.Services.AddSingleton(ledger), settings))
        await using (await FunctionsApp.StartAsync(database, b => b.Services.AddSingleton(ledger), settings))
        {
            await UntilAsync(() => ledger.Firings.Count(f => f.Info.ScheduleStatus!.Last != default) >= 3);
        }

        var lasts = ledger.Firings.Select(f => f.Info.ScheduleStatus!.Last).Where(l => l != default).ToList();
        lasts.Distinct().Count().ShouldBe(lasts.Count, "two processes fired after the same last firing");
    }

    private static DateTime Utc(string text) =>
        DateTime.Parse(text, System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AdjustToUniversal);

    private static async Task UntilAsync(Func<bool> reached)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!reached())
        {
            await Task.Delay(10, limit.Token);
        }
    }
}
