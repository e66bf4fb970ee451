using Backup.Standalone.Durable.Clients;
using Backup.Standalone.Durable.Store;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Backup.Standalone.Durable;

/// <summary>Registers and makes clients.</summary>
internal static class PostgresClients
{
    public static IDurableTaskClientBuilder Register(IServiceCollection services, string name)
    {
        services.AddOptions();
        services.AddLogging();
        services.TryAddSingleton<DurableHubs>();
        services.TryAddSingleton<IDurableTaskClientProvider, ClientProvider>();
        var registered = services.FirstOrDefault(s => s.ServiceType == typeof(ClientRegistration)
            && ((ClientRegistration)s.ImplementationInstance!).Builder.Name == name);
        if (registered is not null)
        {
            return ((ClientRegistration)registered.ImplementationInstance!).Builder;
        }

        var builder = new DefaultDurableTaskClientBuilder(name, services);
        services.AddSingleton(new ClientRegistration(builder));
        return builder;
    }

    public static DurableTaskClient Create(IServiceProvider services, string name) => new PostgresDurableTaskClient(
        name,
        services.GetRequiredService<DurableHubs>().Get(name),
        services.GetRequiredService<IOptionsMonitor<DurableTaskClientOptions>>().Get(name),
        services.GetService<TimeProvider>() ?? TimeProvider.System)
    {
        ManagementUrls = services.GetService<ClientUrls>() is { } urls ? () => urls.Find(services) : null,
    };

    internal sealed record ClientRegistration(IDurableTaskClientBuilder Builder);

    private sealed class ClientProvider(IEnumerable<ClientRegistration> registrations, IServiceProvider services) : IDurableTaskClientProvider
    {
        private readonly Dictionary<string, Lazy<DurableTaskClient>> _clients = registrations.ToDictionary(
            r => r.Builder.Name, r => new Lazy<DurableTaskClient>(() => r.Builder.Build(services)), StringComparer.OrdinalIgnoreCase);

        public DurableTaskClient GetClient(string? name = null) => _clients.TryGetValue(name ?? string.Empty, out var client)
            ? client.Value
            : throw new ArgumentOutOfRangeException(nameof(name), name, "There is no durable task client of this name.");
    }
}

/// <summary>Finds the management URLs of a functions app once they are asked for: making them needs the running server.</summary>
internal sealed record ClientUrls(Func<IServiceProvider, Http.ManagementUrls> Find);
