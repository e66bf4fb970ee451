using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using Backup.AgentApi;
using Backup.Functions.Tests.Scripted;
using Backup.Services.Testing;
using Shouldly;

namespace Backup.Functions.Tests.Startup;

/// <summary>The built app as a process of its own, on the standalone host. No agent exists: what can be seen without one is seen here.</summary>
public sealed class HostProcessTests(PostgresFixture postgres, AzuriteFixture azurite)
{
    private const string Key = "a-function-key";
    private const string AdminKey = "an-admin-key";
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task Host_Http_AsksForKeysAndKeepsRunsAcrossAKill()
    {
        using var folder = new ScratchFolder("functions-host");
        var settings = await SettingsAsync(folder, TestApp.PolicyText);
        using var first = Start(settings);
        string id;
        using (var http = Client(settings))
        {
            await UntilHealthyAsync(first, http);
            (await http.GetAsync("api/runs")).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
            (await SendAsync(http, HttpMethod.Get, "api/runs", "wrong")).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
            (await SendAsync(http, HttpMethod.Post, "api/catalog/rebuild", Key)).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
            (await SendAsync(http, HttpMethod.Get, "api/nothing", Key)).StatusCode.ShouldBe(HttpStatusCode.NotFound);

            var page = await SendAsync(http, HttpMethod.Get, "api/assets?limit=1", Key);
            page.StatusCode.ShouldBe(HttpStatusCode.OK);
            (await page.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("items")[0].GetProperty("protection").GetString().ShouldBe("unprotected");

            (await SendAsync(http, HttpMethod.Post, "api/backups", Key, new { asset = "nobody" })).StatusCode.ShouldBe(HttpStatusCode.NotFound);
            var rebuild = await SendAsync(http, HttpMethod.Post, "api/catalog/rebuild", AdminKey);
            rebuild.StatusCode.ShouldBe(HttpStatusCode.Accepted);
            var location = rebuild.Headers.Location!.ToString();
            (await SendAsync(http, HttpMethod.Get, location, AdminKey)).StatusCode.ShouldBe(HttpStatusCode.OK);
            // What only an administrator may see is not told at another address either.
            (await SendAsync(http, HttpMethod.Get, $"api/runs/{location.Split('/')[^1]}", Key)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
            var accepted = await SendAsync(http, HttpMethod.Post, "api/backups", Key, new { asset = "config", slot = "x" });
            accepted.StatusCode.ShouldBe(HttpStatusCode.Accepted);
            id = (await accepted.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString()!;
            accepted.Headers.Location!.ToString().ShouldBe($"/api/runs/{id}");
        }

        // SIGKILL: nothing is flushed, nothing is closed.
        first.Kill();
        await first.WaitForExitAsync();

        using var second = Start(settings);
        using (var http = Client(settings))
        {
            await UntilHealthyAsync(second, http);
            var run = await UntilEndedAsync(http, id);
            (run.GetProperty("state").GetString(), run.GetProperty("reason").GetProperty("code").GetString()).ShouldBe(("failed", "agent-unreachable"));
            var again = await SendAsync(http, HttpMethod.Post, "api/backups", Key, new { asset = "config", slot = "x" });
            (await again.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("isNew").GetBoolean().ShouldBeFalse();
        }

        second.Kill();
        await second.WaitForExitAsync();
    }

    [Fact]
    public async Task Host_Enrolment_TakesACodeFromAnAdministratorAndASealedRequestFromAnybody()
    {
        using var folder = new ScratchFolder("functions-host");
        var settings = await SettingsAsync(folder, TestApp.PolicyText);
        using var host = Start(settings);
        using (var http = Client(settings))
        {
            await UntilHealthyAsync(host, http);
            (await SendAsync(http, HttpMethod.Post, "api/agents/lab-agent-1/enrolment", Key)).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
            var invited = await SendAsync(http, HttpMethod.Post, "api/agents/lab-agent-1/enrolment", AdminKey);
            invited.StatusCode.ShouldBe(HttpStatusCode.OK);
            var code = EnrolmentCode.Parse((await invited.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("code").GetString()!);

            using var agent = PrivateIdentity.Create("lab-agent-1");
            var request = EnrolmentRequest.Create(code, PublicIdentity.Parse(await http.GetStringAsync("api/enrolment")), agent);
            using var sealedRequest = new ByteArrayContent(request.Envelope.ToArray());
            var welcome = await http.PostAsync("api/enrolment", sealedRequest);
            welcome.StatusCode.ShouldBe(HttpStatusCode.OK);
            request.OpenWelcome(await welcome.Content.ReadAsByteArrayAsync()).ShouldHaveSingleItem().KeyId.ShouldBe(code.ControlPlane);

            var shown = await (await SendAsync(http, HttpMethod.Get, "api/agents/lab-agent-1", Key)).Content.ReadFromJsonAsync<JsonElement>();
            shown.GetProperty("keys")[0].GetProperty("id").GetString().ShouldBe(agent.Public.KeyId.ToString());
            shown.GetProperty("isAnswering").GetBoolean().ShouldBeFalse();
        }

        host.Kill();
        await host.WaitForExitAsync();
    }

    [Fact]
    public async Task Host_WrongPolicy_StartsNothingAndListsEveryProblem()
    {
        using var folder = new ScratchFolder("functions-host");
        var settings = await SettingsAsync(folder, "version: 1\ncolour: blue\nsites: [ { name: lab }, { name: lab } ]\n");
        using var host = Start(settings);
        var errors = await host.StandardError.ReadToEndAsync();
        await host.WaitForExitAsync();
        host.ExitCode.ShouldBe(1);
        errors.ShouldContain($"{settings["Policy__File"]}:2:1: a policy has no key \"colour\"");
        errors.ShouldContain($"{settings["Policy__File"]}:3:33: site \"lab\" stands twice");
        errors.ShouldNotContain("   at ");
    }

    [Fact]
    public async Task Host_NoSettings_SaysWhichAreMissing()
    {
        using var host = Start([]);
        var errors = await host.StandardError.ReadToEndAsync();
        await host.WaitForExitAsync();
        host.ExitCode.ShouldBe(1);
        errors.ShouldContain("Policy:File is missing");
        errors.ShouldContain("Relay:Endpoint is missing");
    }

    private static Process Start(Dictionary<string, string> settings)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardError = true, RedirectStandardOutput = true, WorkingDirectory = AppContext.BaseDirectory };
        start.ArgumentList.Add(typeof(InstanceIds).Assembly.Location);
        foreach (var (name, value) in settings)
        {
            start.Environment[name] = value;
        }

        var process = Process.Start(start)!;
        if (settings.Count > 0 && settings["Policy__File"].Contains("good", StringComparison.Ordinal))
        {
            // Drained, or a full pipe would stop the host.
            process.OutputDataReceived += (_, _) => { };
            process.ErrorDataReceived += (_, _) => { };
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
        }

        return process;
    }

    private static HttpClient Client(Dictionary<string, string> settings) => new() { BaseAddress = new Uri(settings["ASPNETCORE_URLS"]) };

    private static Task<HttpResponseMessage> SendAsync(HttpClient http, HttpMethod method, string path, string key, object? body = null)
    {
        var request = new HttpRequestMessage(method, path) { Headers = { { "x-functions-key", key } } };
        request.Content = body is null ? null : JsonContent.Create(body);
        return http.SendAsync(request);
    }

    private static async Task UntilHealthyAsync(Process host, HttpClient http)
    {
        using var limit = new CancellationTokenSource(Limit);
        while (true)
        {
            host.HasExited.ShouldBeFalse();
            try
            {
                if ((await http.GetAsync("api/health", limit.Token)).IsSuccessStatusCode)
                {
                    return;
                }
            }
            catch (HttpRequestException e) when (e.HttpRequestError is HttpRequestError.ConnectionError)
            {
                await Task.Delay(50, limit.Token);
            }
        }
    }

    private static async Task<JsonElement> UntilEndedAsync(HttpClient http, string id)
    {
        using var limit = new CancellationTokenSource(Limit);
        while (true)
        {
            var run = await (await SendAsync(http, HttpMethod.Get, $"api/runs/{id}", Key)).Content.ReadFromJsonAsync<JsonElement>(limit.Token);
            if (run.GetProperty("state").GetString() is not ("queued" or "running"))
            {
                return run;
            }

            await Task.Delay(100, limit.Token);
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private async Task<Dictionary<string, string>> SettingsAsync(ScratchFolder folder, string policy)
    {
        var policyFile = folder.Combine(policy == TestApp.PolicyText ? "good.yaml" : "policy.yaml");
        await File.WriteAllTextAsync(policyFile, policy);
        await File.WriteAllTextAsync(folder.Combine("relay.key"), "relay-key");
        await File.WriteAllTextAsync(folder.Combine("function.key"), Key);
        await File.WriteAllTextAsync(folder.Combine("admin.key"), AdminKey);
        using var control = PrivateIdentity.Create("control-plane");
        control.Save(folder.Combine("control.identity"));
        Directory.CreateDirectory(folder.Combine("agents"));
        using var agent = PrivateIdentity.Create("lab-agent-1");
        agent.Public.Save(folder.Combine("agents", "lab-agent-1.pub"));
        return new Dictionary<string, string>
        {
            ["ASPNETCORE_URLS"] = $"http://127.0.0.1:{FreePort()}",
            ["ConnectionStrings__Durable"] = await postgres.CreateDatabaseAsync(),
            ["ConnectionStrings__Catalog"] = await postgres.CreateDatabaseAsync(),
            ["Policy__File"] = policyFile,
            ["Relay__Endpoint"] = $"sb://localhost:{FreePort()}",
            ["Relay__KeyName"] = "send",
            ["Relay__KeyFile"] = folder.Combine("relay.key"),
            ["ControlPlane__IdentityFile"] = folder.Combine("control.identity"),
            ["ControlPlane__AgentsFolder"] = folder.Combine("agents"),
            ["Offsite__ConnectionString"] = azurite.ConnectionString,
            ["FunctionKeys__test"] = $"file:{folder.Combine("function.key")}",
            ["AdminKeys__test"] = $"file:{folder.Combine("admin.key")}",
            // Once a year: these tests start what runs.
            ["Schedule__Timer"] = "0 0 0 1 1 *",
            ["Jobs__OfflineSeconds"] = "2",
        };
    }
}
