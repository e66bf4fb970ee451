using Backup.AgentApi;
using Backup.Catalog;
using Backup.Catalog.Agents;
using Backup.Catalog.Alerts;
using Backup.Catalog.Archive;
using Backup.Catalog.Assets;
using Backup.Catalog.Audit;
using Backup.Catalog.Capacity;
using Backup.Catalog.Database;
using Backup.Catalog.Groups;
using Backup.Catalog.Immutability;
using Backup.Catalog.Migrations;
using Backup.Catalog.Protection;
using Backup.Catalog.RecoveryPoints;
using Backup.Catalog.Replicas;
using Backup.Catalog.Restores;
using Backup.Catalog.Retention;
using Backup.Catalog.Rpo;
using Backup.Catalog.Runs;
using Backup.Catalog.Signals;
using Backup.Catalog.Verifications;
using Backup.Functions.Access;
using Backup.Functions.Agents;
using Backup.Functions.Archive;
using Backup.Functions.Backups;
using Backup.Functions.Http;
using Backup.Functions.Immutability;
using Backup.Functions.Keys;
using Backup.Functions.Protection;
using Backup.Functions.Rebuilding;
using Backup.Functions.Replication;
using Backup.Functions.Retention;
using Backup.Functions.Verifications;
using Backup.Policy;
using Backup.Policy.Scheduling;
using Backup.Relay;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Npgsql;

namespace Backup.Functions.Startup;

/// <summary>Puts the app's services together. Whatever a person must correct is found before anything starts.</summary>
public static class ControlPlane
{
    /// <summary>Reads settings and policy, and registers everything the functions need.</summary>
    /// <exception cref="ControlPlaneException">A setting is missing or wrong.</exception>
    /// <exception cref="PolicyException">The policy is wrong.</exception>
    public static async Task AddControlPlaneAsync(this IServiceCollection services, IConfiguration configuration)
    {
        var settings = ControlPlaneSettings.Read(configuration);
        var policy = await PolicyParser.LoadAsync(settings.PolicyFile, CancellationToken.None).ConfigureAwait(false);
        foreach (var tier in policy.Tiers.Where(t => t.Node is null))
        {
            ControlPlaneSettings.Offsite(configuration, tier.Name);
        }

        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(settings);
        services.AddSingleton(policy);
        services.AddCatalog(settings.CatalogConnection);

        // Factories run at the first resolution; PrepareAsync resolves them all, so that a bad key file stops the start.
        services.AddSingleton(_ => ControlPlaneKeys.Load(settings));
        services.AddSingleton<KeyChoice>();
        services.AddSingleton<KeyOrders>();
        services.AddSingleton(s => new RelaySender(RelayOf(settings, s.GetRequiredService<TimeProvider>())));
        services.TryAddSingleton<IAgentLink, RelayAgentLink>();
        services.TryAddSingleton<AzureOffsiteStore>();
        services.TryAddSingleton<IOffsiteStore>(s => s.GetRequiredService<AzureOffsiteStore>());
        services.TryAddSingleton<IImmutability, AzureImmutability>();
        services.TryAddSingleton(s => ArchiveOf(settings, new AzureArchiveTier(s.GetRequiredService<AzureOffsiteStore>()), s.GetRequiredService<TimeProvider>()));
        services.AddSingleton<OrderWriter>();
        services.AddSingleton<RunReconciliation>();
        services.AddSingleton(Administrators.Read(configuration));
        services.AddDecisions();
    }

    /// <summary>Registers what decides by the policy and the catalog alone.</summary>
    public static void AddDecisions(this IServiceCollection services)
    {
        // Prepared once: the hosts make a function's class anew at each firing.
        services.AddSingleton(s => new FleetSchedule(s.GetRequiredService<PolicyDocument>()));
        services.AddSingleton<RetentionDecisions>();
        services.AddSingleton<RetentionStarter>();
        services.AddSingleton<ProtectionAssessment>();
        services.AddSingleton<RestoreResolution>();
        services.AddSingleton<GroupResolution>();
        services.AddSingleton<ArchiveReplanning>();
        services.AddSingleton<VaultListing>();
        services.AddSingleton<VerificationStarter>();
    }

    /// <summary>Registers the catalog's stores over one connection pool.</summary>
    public static void AddCatalog(this IServiceCollection services, string connection)
    {
        services.AddSingleton(_ => NpgsqlDataSource.Create(connection));
        services.AddSingleton<CatalogDatabase>();
        services.AddSingleton<AuditTrail>();
        services.AddSingleton<AssetStore>();
        services.AddSingleton<RunStore>();
        services.AddSingleton<RecoveryPointStore>();
        services.AddSingleton<GroupPointStore>();
        services.AddSingleton<ReplicaStore>();
        services.AddSingleton<RestoreStore>();
        services.AddSingleton<AgentKeyStore>();
        services.AddSingleton<AlertStore>();
        services.AddSingleton<RpoClockStore>();
        services.AddSingleton<SignalStore>();
        services.AddSingleton<RetentionStore>();
        services.AddSingleton<RemovalStore>();
        services.AddSingleton<ProtectionStore>();
        services.AddSingleton<CapacityStore>();
        services.AddSingleton<VaultVerificationStore>();
        services.AddSingleton<ArchiveStore>();
        services.AddSingleton<LockStore>();
    }

    /// <summary>Migrates the catalog, tells it of the policy's assets, and builds what could still fail.</summary>
    /// <exception cref="CatalogException">The database cannot be used.</exception>
    /// <exception cref="AgentApiException">The control plane's identity cannot be used.</exception>
    /// <exception cref="RelayException">The relay's settings cannot be used.</exception>
    public static async Task PrepareAsync(IServiceProvider services)
    {
        await CatalogSchema.MigrateAsync(services.GetRequiredService<CatalogDatabase>(), CancellationToken.None).ConfigureAwait(false);
        await services.GetRequiredService<AssetStore>().SyncAsync(services.GetRequiredService<PolicyDocument>(), "start", CancellationToken.None).ConfigureAwait(false);
        _ = services.GetRequiredService<ControlPlaneKeys>();
        _ = services.GetRequiredService<IAgentLink>();
        _ = services.GetRequiredService<IOffsiteStore>();
    }

    /// <summary>True for failures that a person corrects: their message says all there is to say, and a stack trace would hide it.</summary>
    public static bool IsStartProblem(Exception e) => e is ControlPlaneException or PolicyException or CatalogException or AgentApiException or RelayException;

    private static IArchiveTier ArchiveOf(ControlPlaneSettings settings, IArchiveTier tier, TimeProvider clock) =>
        settings.EmulatedRehydration is { } delay ? new SlowArchiveTier(tier, _ => delay, clock) : tier;

    private static RelayConnection RelayOf(ControlPlaneSettings settings, TimeProvider clock) => new()
    {
        Endpoint = RelayEndpoint.Parse(settings.RelayEndpoint),
        Tokens = settings switch
        {
            { RelayIdentity: { } identity } => new EntraTokens(identity.NewCredential(), clock),
            { RelayKey: { Length: > 0 } key } => new SasTokens(settings.RelayKeyName!, key, clock),
            _ => SasTokens.FromKeyFile(settings.RelayKeyName!, settings.RelayKeyFile!, clock),
        },
        Trust = RelayTrust.FromOptionalCertificateFile(settings.RelayTrustedCertificateFile),
        Clock = clock,
    };
}
