using Backup.Standalone.Durable;
using Backup.Standalone.Durable.Store;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Client;
using Microsoft.DurableTask.Worker;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Backup.Standalone.Tests.Durable;

/// <summary>A worker and a client on one hub, as code written for Durable Task without Functions sets them up.</summary>
internal sealed class DurableApp : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly IHost _host;

    private DurableApp(IHost host) => _host = host;

    public DurableTaskClient Client => _host.Services.GetRequiredService<DurableTaskClient>();

    public IServiceProvider Services => _host.Services;

    public DurableHub Hub => _host.Services.GetRequiredService<DurableHubs>().Get(string.Empty);

    public static async Task<DurableApp> StartAsync(
        string connectionString,
        Action<DurableTaskRegistry> tasks,
        Action<DurableStorageOptions>? storage = null,
        Action<DurableTaskWorkerOptions>? options = null,
        Action<IServiceCollection>? services = null)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.ClearProviders();
        builder.Services.AddDurableTaskWorker(worker => worker.AddTasks(tasks).Configure(options ?? (_ => { })).UsePostgres(o => Set(o)));
        builder.Services.AddDurableTaskClient(client => client.UsePostgres(o => Set(o)));
        services?.Invoke(builder.Services);
        var host = builder.Build();
        await host.StartAsync();
        return new DurableApp(host);

        void Set(DurableStorageOptions set)
        {
            set.ConnectionString = connectionString;
            storage?.Invoke(set);
        }
    }

    public async Task<OrchestrationMetadata> CompleteAsync(string instanceId)
    {
        using var limit = new CancellationTokenSource(Limit);
        return await Client.WaitForInstanceCompletionAsync(instanceId, getInputsAndOutputs: true, limit.Token);
    }

    public async Task<OrchestrationMetadata> RunAsync(string name, object? input = null, StartOrchestrationOptions? options = null) =>
        await CompleteAsync(await Client.ScheduleNewOrchestrationInstanceAsync(name, input, options));

    /// <summary>Waits until an instance shows a custom status: the instance says itself how far it is.</summary>
    public async Task UntilStatusAsync(string instanceId, string customStatus) =>
        await UntilAsync(instanceId, m => m.SerializedCustomStatus == $"\"{customStatus}\"");

    public async Task UntilAsync(string instanceId, Func<OrchestrationMetadata, bool> reached)
    {
        using var limit = new CancellationTokenSource(Limit);
        while (await Client.GetInstanceAsync(instanceId, true, limit.Token) is not { } metadata || !reached(metadata))
        {
            await Task.Delay(10, limit.Token);
        }
    }

    public async Task StopAsync() => await _host.StopAsync();

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        if (_host is IAsyncDisposable disposable)
        {
            await disposable.DisposeAsync();
        }
    }
}
