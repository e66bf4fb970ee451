using Backup.Standalone.Durable.Execution;
using Backup.Standalone.Durable.Store;
using Backup.Standalone.Durable.Workers;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Worker;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Backup.Standalone.Durable;

/// <summary>Registers and makes workers.</summary>
internal static class PostgresWorkers
{
    public static IDurableTaskWorkerBuilder Register(IServiceCollection services, string name)
    {
        services.AddOptions();
        services.AddLogging();
        services.TryAddSingleton<DurableHubs>();
        var builder = new DefaultDurableTaskWorkerBuilder(name, services);
        var registered = services.FirstOrDefault(s => s.ServiceType == typeof(WorkerRegistration)
            && ((WorkerRegistration)s.ImplementationInstance!).Builder.Name == name);
        if (registered is not null)
        {
            return ((WorkerRegistration)registered.ImplementationInstance!).Builder;
        }

        services.AddSingleton(new WorkerRegistration(builder));
        services.AddSingleton<IHostedService>(builder.Build);
        return builder;
    }

    public static IHostedService Create(IServiceProvider services, string name)
    {
        var options = services.GetRequiredService<IOptionsMonitor<DurableTaskWorkerOptions>>().Get(name);
        var registry = services.GetRequiredService<IOptionsMonitor<DurableTaskRegistry>>().Get(name);
        var filters = services.GetRequiredService<IOptionsMonitor<WorkFilterChoice>>().Get(name).Of(registry);
        return new PostgresWorker(services, services.GetRequiredService<DurableHubs>().Get(name), new RegistryCatalog(registry), options, filters);
    }

    private sealed record WorkerRegistration(IDurableTaskWorkerBuilder Builder);
}
