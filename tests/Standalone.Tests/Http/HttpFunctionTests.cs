using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Backup.Services.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Azure.Functions.Worker.Middleware;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Shouldly;

namespace Backup.Standalone.Tests.Http;

public sealed class HttpFunctionTests(PostgresFixture postgres)
{
    [Fact]
    public async Task Converters_OfTheApp_AreAskedFirst_AndMiddlewareMayReplaceInputs()
    {
        await using var app = await FunctionsApp.StartAsync(await postgres.CreateDatabaseAsync(), builder =>
        {
            builder.Services.Configure<WorkerOptions>(o => o.InputConverters.Register<CallerConverter>());
            builder.UseMiddleware(async (context, next) =>
            {
                if (context.FunctionDefinition.Name == "Secret")
                {
                    var input = await context.BindInputAsync<HttpRequest>(context.FunctionDefinition.InputBindings["request"]);
                    input.Value!.Path = "/changed";
                }

                await next();
            });
        });

        (await app.Http.GetStringAsync("/api/converted/drawer")).ShouldBe("reward Converted GET");
        (await app.Http.GetStringAsync($"/api/Secret?code={FunctionsApp.FunctionKey}")).ShouldBe("open /changed");
    }

    [Fact]
    public async Task Routes_WithConstraintsAndMethods_AreServed()
    {
        await using var app = await FunctionsApp.StartAsync(await postgres.CreateDatabaseAsync());

        var hello = await app.Http.GetFromJsonAsync<JsonObject>("/api/hello/Ada");
        hello!["greeting"]!.GetValue<string>().ShouldBe("Hello, Ada");
        (await app.Http.GetAsync("/api/hello/42")).StatusCode.ShouldBe(HttpStatusCode.NotFound);

        var number = await app.Http.PutAsync("/api/numbers/7", null);
        number.StatusCode.ShouldBe(HttpStatusCode.Created);
        (await number.Content.ReadAsStringAsync()).ShouldBe("""{"id":7,"method":"PUT","function":"Number"}""");
        (await app.Http.PostAsync("/api/numbers/7", null)).StatusCode.ShouldBe(HttpStatusCode.MethodNotAllowed);
        (await app.Http.GetAsync("/numbers/7")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Theory]
    [InlineData("/api/Secret", null, HttpStatusCode.Unauthorized)]
    [InlineData("/api/Secret", "wrong", HttpStatusCode.Unauthorized)]
    [InlineData("/api/Secret", FunctionsApp.FunctionKey, HttpStatusCode.OK)]
    [InlineData("/api/Secret", "another-key", HttpStatusCode.OK)]
    [InlineData("/api/Secret", FunctionsApp.AdminKey, HttpStatusCode.OK)]
    [InlineData("/api/Secret", FunctionsApp.SystemKey, HttpStatusCode.Unauthorized)]
    [InlineData("/api/Admin", FunctionsApp.FunctionKey, HttpStatusCode.Unauthorized)]
    [InlineData("/api/Admin", FunctionsApp.AdminKey, HttpStatusCode.OK)]
    [InlineData("/runtime/webhooks/durabletask/instances", FunctionsApp.FunctionKey, HttpStatusCode.Unauthorized)]
    [InlineData("/runtime/webhooks/durabletask/instances", FunctionsApp.SystemKey, HttpStatusCode.OK)]
    [InlineData("/admin/host/status", null, HttpStatusCode.Unauthorized)]
    [InlineData("/admin/host/status", FunctionsApp.AdminKey, HttpStatusCode.OK)]
    public async Task Keys_OpenWhatTheirLevelAllows(string path, string? key, HttpStatusCode expected)
    {
        await using var app = await FunctionsApp.StartAsync(await postgres.CreateDatabaseAsync());

        using var byHeader = new HttpRequestMessage(HttpMethod.Get, path);
        if (key is not null)
        {
            byHeader.Headers.Add("x-functions-key", key);
        }

        (await app.Http.SendAsync(byHeader)).StatusCode.ShouldBe(expected);
        (await app.Http.GetAsync(key is null ? path : $"{path}?code={key}")).StatusCode.ShouldBe(expected);
    }

    [Fact]
    public async Task Bodies_AreBoundAndRefusedWhenBroken()
    {
        await using var app = await FunctionsApp.StartAsync(await postgres.CreateDatabaseAsync());

        var good = await app.Http.PostAsJsonAsync("/api/Body", new { item = "tea", count = 1 });
        (await good.Content.ReadFromJsonAsync<Order>()).ShouldBe(new Order("tea", 2));
        (await app.Http.PostAsync("/api/Body", new StringContent("{"))).StatusCode.ShouldBe(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task Failures_Answer500_AndNothing204()
    {
        await using var app = await FunctionsApp.StartAsync(await postgres.CreateDatabaseAsync());

        var broken = await app.Http.GetAsync("/api/Broken");
        broken.StatusCode.ShouldBe(HttpStatusCode.InternalServerError);
        (await broken.Content.ReadAsStringAsync()).ShouldBeEmpty();
        (await app.Http.GetAsync("/api/Nothing")).StatusCode.ShouldBe(HttpStatusCode.NoContent);
    }

    [Fact]
    public async Task Middleware_RunsAroundEveryFunction_InOrder()
    {
        await using var app = await FunctionsApp.StartAsync(await postgres.CreateDatabaseAsync(), builder =>
        {
            builder.Services.AddSingleton<List<string>>();
            builder.UseMiddleware<Recorder>();
            builder.UseMiddleware(async (context, next) =>
            {
                await next();
                if (context.FunctionDefinition.Name == "Secret")
                {
                    context.GetInvocationResult().Value = "replaced";
                }
            });
        });

        var secret = await app.Http.GetStringAsync($"/api/Secret?code={FunctionsApp.FunctionKey}");
        secret.ShouldBe("replaced");
        app.Services.GetRequiredService<List<string>>().ShouldBe(["before Secret", "after Secret replaced"], ignoreOrder: false);
    }

    [Fact]
    public async Task FunctionOrchestrations_RunWithBindings()
    {
        await using var app = await FunctionsApp.StartAsync(await postgres.CreateDatabaseAsync());

        var started = await (await app.Http.PostAsync("/api/Start?a=1&b=2", null)).Content.ReadFromJsonAsync<JsonObject>();
        var id = started!["id"]!.GetValue<string>();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var result = await app.Client.WaitForInstanceCompletionAsync(id, true, limit.Token);

        result.ReadOutputAs<string>().ShouldBe("TEA 2 tea");
    }

    private sealed class Recorder(List<string> record) : IFunctionsWorkerMiddleware
    {
        public async Task Invoke(FunctionContext context, FunctionExecutionDelegate next)
        {
            if (context.GetHttpContext() is null)
            {
                await next(context);
                return;
            }

            record.Add($"before {context.FunctionDefinition.Name}");
            await next(context);
            record.Add($"after {context.FunctionDefinition.Name} {context.GetInvocationResult().Value}");
        }
    }
}
