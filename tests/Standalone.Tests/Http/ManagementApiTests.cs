using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Backup.Services.Testing;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask.Client;
using Shouldly;

namespace Backup.Standalone.Tests.Http;

public sealed class ManagementApiTests(PostgresFixture postgres)
{
    [Fact]
    public async Task Status_FollowsAnInstance_FromAcceptedToCompleted()
    {
        await using var app = await FunctionsApp.StartAsync(await postgres.CreateDatabaseAsync());
        var id = await app.Client.ScheduleNewOrchestrationInstanceAsync(nameof(SampleFunctions.WaitForGo));
        var urls = app.Client.CreateHttpManagementPayload(id);

        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await app.Client.WaitForInstanceStartAsync(id, limit.Token);
        var running = await app.Http.GetAsync(urls.StatusQueryGetUri);
        running.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        running.Headers.Location.ShouldNotBeNull();
        var status = (await running.Content.ReadFromJsonAsync<JsonObject>())!;
        status["runtimeStatus"]!.GetValue<string>().ShouldBe("Running");
        status["customStatus"]!.GetValue<string>().ShouldBe("waiting");

        var raised = await app.Http.PostAsJsonAsync(urls.SendEventPostUri!.Replace("{eventName}", "GO"), "now");
        raised.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        await app.Client.WaitForInstanceCompletionAsync(id, limit.Token);

        var done = await app.Http.GetAsync(urls.StatusQueryGetUri + "&showHistory=true&showHistoryOutput=true");
        done.StatusCode.ShouldBe(HttpStatusCode.OK);
        var body = (await done.Content.ReadFromJsonAsync<JsonObject>())!;
        body.Select(p => p.Key).ShouldBe(
            ["name", "instanceId", "runtimeStatus", "input", "customStatus", "output", "createdTime", "lastUpdatedTime", "historyEvents"]);
        body["output"]!.GetValue<string>().ShouldBe("now");
        body["historyEvents"]!.AsArray().Select(e => e!["EventType"]!.GetValue<string>()).ShouldBe(["ExecutionStarted", "EventRaised", "ExecutionCompleted"]);
        (await app.Http.PostAsJsonAsync(urls.SendEventPostUri!.Replace("{eventName}", "go"), "late")).StatusCode.ShouldBe(HttpStatusCode.Gone);

        var purged = await app.Http.DeleteAsync(urls.PurgeHistoryDeleteUri);
        (await purged.Content.ReadAsStringAsync()).ShouldBe("""{"instancesDeleted":1}""");
        (await app.Http.GetAsync(urls.StatusQueryGetUri)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await app.Http.DeleteAsync(urls.PurgeHistoryDeleteUri)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Failed_Answers200_Or500WhenAsked()
    {
        await using var app = await FunctionsApp.StartAsync(await postgres.CreateDatabaseAsync());
        var id = await app.Client.ScheduleNewOrchestrationInstanceAsync(nameof(SampleFunctions.Fails));
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await app.Client.WaitForInstanceCompletionAsync(id, limit.Token);
        var url = app.Client.CreateHttpManagementPayload(id).StatusQueryGetUri;

        (await app.Http.GetAsync(url)).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await app.Http.GetAsync(url + "&returnInternalServerErrorOnFailure=true")).StatusCode.ShouldBe(HttpStatusCode.InternalServerError);
    }

    [Fact]
    public async Task SuspendResumeTerminate_AreAcceptedAndDone()
    {
        await using var app = await FunctionsApp.StartAsync(await postgres.CreateDatabaseAsync());
        var id = await app.Client.ScheduleNewOrchestrationInstanceAsync(nameof(SampleFunctions.WaitForGo));
        var urls = app.Client.CreateHttpManagementPayload(id);

        (await app.Http.PostAsync(urls.SuspendPostUri!.Replace("{text}", "why"), null)).StatusCode.ShouldBe(HttpStatusCode.Accepted);
        await UntilAsync(app, id, OrchestrationRuntimeStatus.Suspended);
        (await app.Http.GetAsync(urls.StatusQueryGetUri)).StatusCode.ShouldBe(HttpStatusCode.Accepted);
        (await app.Http.PostAsync(urls.ResumePostUri!.Replace("{text}", "why"), null)).StatusCode.ShouldBe(HttpStatusCode.Accepted);
        await UntilAsync(app, id, OrchestrationRuntimeStatus.Running);
        (await app.Http.PostAsync(urls.TerminatePostUri!.Replace("{text}", "enough"), null)).StatusCode.ShouldBe(HttpStatusCode.Accepted);
        await UntilAsync(app, id, OrchestrationRuntimeStatus.Terminated);
        (await app.Client.GetInstanceAsync(id, true))!.ReadOutputAs<string>().ShouldBe("enough");
        (await app.Http.PostAsync(urls.TerminatePostUri, null)).StatusCode.ShouldBe(HttpStatusCode.Gone);
        var unknown = app.Client.CreateHttpManagementPayload("unknown");
        (await app.Http.PostAsync(unknown.TerminatePostUri, null)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task CheckStatusResponse_HasLocationRetryAfterAndUris()
    {
        await using var app = await FunctionsApp.StartAsync(await postgres.CreateDatabaseAsync());

        var response = await app.Http.PostAsync("/api/StartData", null);

        response.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        response.Headers.RetryAfter!.Delta.ShouldBe(TimeSpan.FromSeconds(10));
        var body = (await response.Content.ReadFromJsonAsync<JsonObject>())!;
        response.Headers.Location!.ToString().ShouldBe(body["statusQueryGetUri"]!.GetValue<string>());
        body.Select(p => p.Key).ShouldBe(
            ["id", "statusQueryGetUri", "sendEventPostUri", "terminatePostUri", "purgeHistoryDeleteUri", "restartPostUri", "suspendPostUri", "resumePostUri"]);
        var listed = await app.Http.GetFromJsonAsync<JsonArray>(
            $"/runtime/webhooks/durabletask/instances?instanceIdPrefix={body["id"]}&code={FunctionsApp.SystemKey}");
        listed!.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Entities_AreSignalledReadAndListed()
    {
        await using var app = await FunctionsApp.StartAsync(await postgres.CreateDatabaseAsync());
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var id = await app.Client.ScheduleNewOrchestrationInstanceAsync(nameof(SampleFunctions.Shopping));
        var shopped = await app.Client.WaitForInstanceCompletionAsync(id, true, limit.Token);
        shopped.ReadOutputAs<int>().ShouldBe(9, shopped.FailureDetails?.ToString());
        const string Entities = "/runtime/webhooks/durabletask/entities";
        const string Code = $"code={FunctionsApp.SystemKey}";

        (await app.Http.GetAsync($"{Entities}/basket/mine")).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        (await app.Http.PostAsJsonAsync($"{Entities}/Basket/other?op=put&{Code}", new Order("milk", 1))).StatusCode.ShouldBe(HttpStatusCode.Accepted);
        (await app.Http.PostAsync($"{Entities}/Basket/other?{Code}", null)).StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        HttpResponseMessage read;
        while ((read = await app.Http.GetAsync($"{Entities}/basket/other?{Code}", limit.Token)).StatusCode == HttpStatusCode.NotFound)
        {
            await Task.Delay(10, limit.Token);
        }

        (await read.Content.ReadAsStringAsync()).ShouldBe("""{"Orders":[{"Item":"milk","Count":1}]}""");
        var all = (await app.Http.GetFromJsonAsync<JsonArray>($"{Entities}?fetchState=true&{Code}"))!;
        all.Select(e => $"{e!["entityId"]!["name"]}/{e["entityId"]!["key"]}").ShouldBe(["basket/mine", "basket/other", "tally-sheet/x"]);
        all[2]!["state"]!.GetValue<int>().ShouldBe(1);
        var page = await app.Http.GetAsync($"{Entities}/BASKET?top=1&{Code}");
        (await page.Content.ReadFromJsonAsync<JsonArray>())!.Count.ShouldBe(1);
        using var next = new HttpRequestMessage(HttpMethod.Get, $"{Entities}/BASKET?{Code}");
        next.Headers.Add("x-ms-continuation-token", page.Headers.GetValues("x-ms-continuation-token"));
        var rest = (await (await app.Http.SendAsync(next)).Content.ReadFromJsonAsync<JsonArray>())!;
        rest.Count.ShouldBe(1);
        rest[0]!["state"].ShouldBeNull();
    }

    private static async Task UntilAsync(FunctionsApp app, string id, OrchestrationRuntimeStatus status)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while ((await app.Client.GetInstanceAsync(id, limit.Token))!.RuntimeStatus != status)
        {
            await Task.Delay(10, limit.Token);
        }
    }
}
