using System.Text.Json;
using Backup.AgentApi;
using Backup.Catalog.Alerts;
using Backup.Functions.Http;
using Backup.Functions.Rpo;
using Backup.Functions.Tests.Scripted;
using Backup.Services.Testing;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;

namespace Backup.Functions.Tests.Rpo;

/// <summary>From an agent's reading to the alert and its end. The policy's limit for voids-db is 15 minutes.</summary>
public sealed class RpoTests(PostgresFixture postgres)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Reading_IsShownWithTheClassesLimit_AndGrowsOlderWhileTheAgentIsSilent()
    {
        await using var app = await TestApp.StartAsync(postgres);
        app.Agent.Rpo = [Reading(100) with { DurableLsn = "0/3000100", ServerLsn = "0/3000200", SlotBytes = 256 }];
        await FireAsync(app);

        var shown = (await ShowAsync(app)).GetProperty("rpo");
        shown.GetProperty("ageSeconds").GetDouble().ShouldBeInRange(100, 130);
        shown.GetProperty("limitSeconds").GetDouble().ShouldBe(900);
        (shown.GetProperty("state").GetString(), shown.GetProperty("durableLsn").GetString(), shown.GetProperty("slotBytes").GetInt64()).ShouldBe(("kept", "0/3000100", 256));
        var restorable = shown.GetProperty("restorableAt").GetDateTimeOffset();

        // Nobody answers; then the agent has been started again and does not know yet: what was known goes on, and the age with it.
        app.Agent.GoSilent(1);
        await FireAsync(app);
        app.Agent.Rpo = [new RpoReading { Asset = "voids-db", Problem = "The server cannot be reached." }];
        await FireAsync(app);
        shown = (await ShowAsync(app)).GetProperty("rpo");
        shown.GetProperty("restorableAt").GetDateTimeOffset().ShouldBe(restorable);
        shown.GetProperty("problem").GetString().ShouldBe("The server cannot be reached.");
        (await app.CountAsync("alert")).ShouldBe(0);

        var list = await app.CallAsync(r => app.Function<CatalogHttp>().GetAssets(r, Cancel));
        list.Body.GetProperty("items").EnumerateArray().Single(a => a.GetProperty("name").GetString() == "voids-db").GetProperty("rpo").GetProperty("limitSeconds").GetDouble().ShouldBe(900);
        list.Body.GetProperty("items").EnumerateArray().Single(a => a.GetProperty("name").GetString() == "config").TryGetProperty("rpo", out var none).ShouldBe(none.ValueKind is JsonValueKind.Null);
    }

    [Fact]
    public async Task Episode_FromRiskToRecovery_IsOneAlertThatTheOrchestrationCloses()
    {
        await using var app = await TestApp.StartAsync(postgres);
        app.Agent.Rpo = [Reading(449)];
        await FireAsync(app);
        (await EpisodesAsync(app)).ShouldBeEmpty();

        // Before the limit is passed.
        app.Agent.Rpo = [Reading(460) with { Problem = "The vault is away." }];
        await FireAsync(app);
        var episode = (await EpisodesAsync(app)).ShouldHaveSingleItem();
        var alert = await UntilAsync(app, a => a is not null);
        alert!.Text.ShouldContain("is at risk");
        alert.Text.ShouldContain("900 s are allowed. The agent says: The vault is away.");
        (await ShowAsync(app)).GetProperty("rpo").GetProperty("state").GetString().ShouldBe("at-risk");

        // Still the same episode when it gets worse, and when it hovers about the threshold.
        app.Agent.Rpo = [Reading(1000)];
        await FireAsync(app);
        (await UntilAsync(app, a => a!.Text.Contains("is broken", StringComparison.Ordinal)))!.Id.ShouldBe(alert.Id);
        app.Agent.Rpo = [Reading(300)];
        await FireAsync(app);
        (await EpisodesAsync(app)).Count.ShouldBe(1);
        app.Agent.Rpo = [Reading(2)];
        await FireAsync(app);

        (await app.OutcomeAsync<RpoLook>(episode)).IsOver.ShouldBeTrue();
        var closed = (await app.Services.GetRequiredService<AlertStore>().ListAsync(onlyOpen: false, null, 10, Cancel)).Items.ShouldHaveSingleItem();
        (closed.Kind, closed.Subject, closed.ClosedBy).ShouldBe((AlertKind.Rpo, "voids-db", "orchestration"));
        closed.ClosedReason.ShouldNotBeNull().ShouldEndWith("s old again.");
    }

    [Fact]
    public async Task Episode_AppRestartedInItsMiddle_GoesOnWithTheSameAlertAndClosesIt()
    {
        var app = await TestApp.StartAsync(postgres);
        try
        {
            app.Agent.Rpo = [Reading(460)];
            await FireAsync(app);
            var episode = (await EpisodesAsync(app)).ShouldHaveSingleItem();
            var alert = (await UntilAsync(app, a => a is not null))!;

            app = await app.RestartAsync();
            app.Agent.Rpo = [Reading(1000)];
            await FireAsync(app);
            (await UntilAsync(app, a => a!.Text.Contains("is broken", StringComparison.Ordinal)))!.Id.ShouldBe(alert.Id);

            app = await app.RestartAsync();
            app.Agent.Rpo = [Reading(2)];
            await FireAsync(app);
            (await EpisodesAsync(app)).ShouldHaveSingleItem().ShouldBe(episode);
            (await app.OutcomeAsync<RpoLook>(episode)).IsOver.ShouldBeTrue();
            (await app.Services.GetRequiredService<AlertStore>().ListAsync(onlyOpen: false, null, 10, Cancel)).Items.ShouldHaveSingleItem().ClosedBy.ShouldBe("orchestration");
        }
        finally
        {
            await app.DisposeAsync();
        }
    }

    [Fact]
    public async Task Timer_OfAnAlertThatNobodyLooksAt_ClosesItWhenTheClockIsFine()
    {
        await using var app = await TestApp.StartAsync(postgres);
        await app.Services.GetRequiredService<AlertStore>().RaiseAsync(AlertKind.Rpo, "voids-db", "left behind", "test", Cancel);
        app.Agent.Rpo = [Reading(2)];
        await FireAsync(app);
        (await OpenAsync(app)).ShouldNotBeNull();
        await using (var age = app.Catalog.CreateCommand("update alert set seen_at = seen_at - interval '3 minutes'"))
        {
            await age.ExecuteNonQueryAsync(Cancel);
        }

        await FireAsync(app);
        (await OpenAsync(app)).ShouldBeNull();
    }

    [Fact]
    public async Task Reading_OfAnAssetThatIsNotTheAgents_IsPassedOver()
    {
        await using var app = await TestApp.StartAsync(postgres);
        app.Agent.Rpo = [Reading(1) with { Asset = "config" }, Reading(1) with { Asset = "nobody" }, Reading(double.MaxValue)];
        await FireAsync(app);
        (await app.CountAsync("rpo_clock")).ShouldBe(1);
    }

    private static RpoReading Reading(double ageSeconds) => new() { Asset = "voids-db", AgeSeconds = ageSeconds };

    private static Task FireAsync(TestApp app) => app.Function<RpoTimer>().RunAsync(new TimerInfo(), app.Client, Cancel);

    private static async Task<JsonElement> ShowAsync(TestApp app) => (await app.CallAsync(r => app.Function<CatalogHttp>().GetAsset(r, "voids-db", Cancel))).Body;

    private static async Task<Alert?> OpenAsync(TestApp app) =>
        (await app.Services.GetRequiredService<AlertStore>().ListOpenAsync(AlertKind.Rpo, Cancel)).SingleOrDefault(alert => alert.Subject == "voids-db");

    private static async Task<Alert?> UntilAsync(TestApp app, Func<Alert?, bool> holds)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(Limit);
        while (true)
        {
            limit.Token.ThrowIfCancellationRequested();
            if (await OpenAsync(app) is var alert && holds(alert))
            {
                return alert;
            }
        }
    }

    private static async Task<IReadOnlyList<string>> EpisodesAsync(TestApp app)
    {
        var ids = new List<string>();
        await foreach (var instance in app.Client.GetAllInstancesAsync(new OrchestrationQuery { InstanceIdPrefix = "rpo-" }))
        {
            ids.Add(instance.InstanceId);
        }

        return ids;
    }
}
