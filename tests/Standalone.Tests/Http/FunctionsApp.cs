using Backup.Standalone.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Azure.Functions.Worker.Builder;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Backup.Standalone.Tests.Http;

/// <summary>This assembly's functions on a real host with Kestrel on a free port.</summary>
internal sealed class FunctionsApp : IAsyncDisposable
{
    public const string FunctionKey = "function-key";
    public const string SystemKey = "system-key";
    public const string AdminKey = "admin-key";

    private readonly IHost _host;

    private FunctionsApp(IHost host)
    {
        _host = host;
        var address = host.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        Http = new HttpClient { BaseAddress = new Uri(address) };
    }

    public HttpClient Http { get; }

    public DurableTaskClient Client => _host.Services.GetRequiredService<DurableTaskClient>();

    public IServiceProvider Services => _host.Services;

    public static async Task<FunctionsApp> StartAsync(
        string connectionString, Action<FunctionsApplicationBuilder>? configure = null, IReadOnlyDictionary<string, string?>? settings = null)
    {
        var builder = FunctionsApplication.CreateBuilder([]);
        builder.ConfigureFunctionsWebApplication();
        builder.Logging.ClearProviders();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["ConnectionStrings:Durable"] = connectionString,
            ["URLS"] = "http://127.0.0.1:0",
            ["FunctionKeys:test"] = Hash(FunctionKey),
            ["FunctionKeys:other"] = Hash("another-key"),
            ["SystemKeys:durable"] = Hash(SystemKey),
            ["AdminKeys:root"] = Hash(AdminKey),
            ["Test:Schedule"] = "0 0 0 1 1 *",
        });
        builder.Configuration.AddInMemoryCollection(settings ?? new Dictionary<string, string?>());
        configure?.Invoke(builder);
        var host = builder.Build();
        if (host is WebApplication web)
        {
            web.Urls.Clear();
            web.Urls.Add("http://127.0.0.1:0");
        }

        await host.StartAsync();
        return new FunctionsApp(host);
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _host.StopAsync();
        await ((IAsyncDisposable)_host).DisposeAsync();
    }

    private static string Hash(string key) =>
        Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(key)));
}
