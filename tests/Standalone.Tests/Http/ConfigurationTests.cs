using System.Net;
using Backup.Services.Testing;
using Backup.Standalone.Hosting;
using Backup.Standalone.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Shouldly;

namespace Backup.Standalone.Tests.Http;

public sealed class ConfigurationTests(PostgresFixture postgres)
{
    [Fact]
    public void Settings_OfFilesAndEnvironment_HaveTheOrderOfFunc()
    {
        using var scratch = new ScratchFolder("config");
        File.WriteAllText(scratch.Combine("host.json"), """
            { "version": "2.0", "logging": { "logLevel": { "default": "Warning" } },
              "extensions": { "durableTask": { "hubName": "%Hub%", "maxConcurrentActivityFunctions": 7, "maxConcurrentEntityFunctions": 8,
                                               "surprise": 1, "storageProvider": {} },
                              "http": { "routePrefix": "v1/" } } }
            """);
        File.WriteAllText(scratch.Combine("local.settings.json"), """
            { "IsEncrypted": false, "Values": { "Hub": "FromFile", "A__B": "nested", "Standalone_Test_Setting": "file" },
              "ConnectionStrings": { "Durable": "Host=x" } }
            """);
        Environment.SetEnvironmentVariable("Standalone_Test_Setting", "environment");
        var builder = new ConfigurationManager();
        builder.AddEnvironmentVariables();

        FuncConfiguration.AddTo(builder, scratch.Path);

        builder["A:B"].ShouldBe("nested");
        builder["Standalone_Test_Setting"].ShouldBe("environment");
        builder.GetConnectionString("Durable").ShouldBe("Host=x");
        builder["Logging:LogLevel:default"].ShouldBe("Warning");
        var settings = HostSettings.Read(builder);
        settings.HubName.ShouldBe("FromFile");
        settings.ActivitiesMax.ShouldBe(7);
        settings.EntitiesMax.ShouldBe(8);
        settings.RoutePrefix.ShouldBe("v1");
        settings.Warnings.ShouldBe(["extensions.durableTask.surprise"]);
    }

    [Fact]
    public void BadLimits_AreRefused()
    {
        var configuration = Configuration(("AzureFunctionsJobHost:extensions:durableTask:maxConcurrentActivityFunctions", "many"));

        Should.Throw<StandaloneException>(() => HostSettings.Read(configuration)).Message.ShouldContain("maxConcurrentActivityFunctions");
    }

    [Theory]
    [InlineData("a-plain-key", "neither a SHA-256 hash nor file:PATH")]
    [InlineData("file:/nowhere/at/all", "cannot be read")]
    public void Keys_ThatAreNoHashes_AreRefusedWithoutShowingThem(string value, string reason)
    {
        var refused = Should.Throw<StandaloneException>(() => new AccessKeys(Configuration(("FunctionKeys:main", value))));

        refused.Message.ShouldContain(reason);
        refused.Message.ShouldNotContain(value);
    }

    [Fact]
    public async Task MissingConnectionString_IsAClearStartError()
    {
        var refused = await Should.ThrowAsync<StandaloneException>(FunctionsApp.StartAsync(string.Empty));

        refused.Fault.ShouldBe(StandaloneFault.Configuration);
        refused.Message.ShouldContain("ConnectionStrings__Durable");
    }

    [Fact]
    public async Task CallHttp_IsMadeByAnActivity_AndFollowsTheAsynchronousPattern()
    {
        await using var app = await FunctionsApp.StartAsync(await postgres.CreateDatabaseAsync());
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));

        var id = await app.Client.ScheduleNewOrchestrationInstanceAsync(nameof(SampleFunctions.CallsHttp), app.Http.BaseAddress!.ToString());
        var result = await app.Client.WaitForInstanceCompletionAsync(id, true, limit.Token);

        result.FailureDetails.ShouldBeNull();
        result.ReadOutputAs<string>().ShouldBe($"{(int)HttpStatusCode.Created} {{\"id\":7,\"method\":\"GET\",\"function\":\"Number\"}}");
    }

    [Fact]
    public async Task HostBuilderFlavour_ServesTheSameFunctions()
    {
        var database = await postgres.CreateDatabaseAsync();
        using var host = new HostBuilder()
            .ConfigureAppConfiguration(c => c.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["ConnectionStrings:Durable"] = database,
                ["Test:Schedule"] = "0 0 0 1 1 *",
                ["urls"] = "http://127.0.0.1:0",
            }))
            .ConfigureFunctionsWebApplication()
            .ConfigureWebHostUrl("http://127.0.0.1:0")
            .Build();
        await host.StartAsync();
        using var http = new HttpClient { BaseAddress = host.FirstAddress() };

        (await http.GetStringAsync("/api/hello/Ada")).ShouldContain("Hello, Ada");
        await host.StopAsync();
    }

    private static IConfiguration Configuration(params (string Key, string Value)[] settings) =>
        new ConfigurationBuilder().AddInMemoryCollection(settings.Select(s => KeyValuePair.Create(s.Key, (string?)s.Value))).Build();
}
