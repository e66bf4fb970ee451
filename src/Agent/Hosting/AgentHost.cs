using Backup.Agent.Access;
using Backup.Agent.Hooks;
using Backup.Agent.Jobs;
using Backup.Agent.Keys;
using Backup.Agent.Logs;
using Backup.Agent.Orders;
using Backup.Agent.Settings;
using Backup.Agent.Vaults;
using Backup.Agent.Wal;
using Backup.Agent.Work;
using Backup.AgentApi;
using Backup.Relay;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Backup.Agent.Hosting;

/// <summary>Puts the agent together.</summary>
internal static class AgentHost
{
    /// <summary>How long running jobs may take to notice that the agent stops. Whatever has not by then begins again after the restart.</summary>
    public static readonly TimeSpan StopGrace = TimeSpan.FromSeconds(30);

    /// <summary>Takes the state folder, reads the journal and prepares everything; nothing runs before the host is started.</summary>
    /// <exception cref="AgentException">The state folder or the journal cannot be used.</exception>
    /// <exception cref="AgentApiException">An identity cannot be used.</exception>
    /// <exception cref="RelayException">The relay's settings cannot be used.</exception>
    public static IHost Build(AgentSettings settings, TimeProvider time)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddSystemd();
        builder.Logging.AddJsonConsole(options => options.UseUtcTimestamp = true).SetMinimumLevel(LogLevel.Information);
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = StopGrace);
        builder.Services.AddSingleton(settings);
        builder.Services.AddSingleton(time);
        builder.Services.AddSingleton(_ => StateFolder.Take(settings.StateFolder));
        builder.Services.AddSingleton(services => JobBook.Open(
            services.GetRequiredService<StateFolder>().JournalFile, time, services.GetRequiredService<ILogger<JobBook>>()));
        var recent = new RecentLines(time);
        builder.Logging.AddProvider(recent);
        builder.Services.AddSingleton(recent);
        if (settings.IdentityFile is { } identityFile)
        {
            builder.Services.AddSingleton(_ => new KeyFiles(PrivateIdentity.Load(identityFile), PublicIdentity.Load(settings.ControlPlaneFile!)));
            builder.Services.AddSingleton<IKeyRing>(services => services.GetRequiredService<KeyFiles>());
            builder.Services.AddSingleton<IAgentKeys>(services => services.GetRequiredService<KeyFiles>());
        }
        else
        {
            builder.Services.AddSingleton(services => KeyRing.Open(services.GetRequiredService<StateFolder>().KeyFile, time, services.GetRequiredService<ILogger<KeyRing>>()));
            builder.Services.AddSingleton<IKeyRing>(services => services.GetRequiredService<KeyRing>());
            builder.Services.AddSingleton<IAgentKeys>(services => services.GetRequiredService<KeyRing>());
        }

        builder.Services.AddSingleton(services => new OrderOpener(services.GetRequiredService<IKeyRing>(), time));
        builder.Services.AddSingleton(_ => new PathGuard(settings.AllowedSources, settings.RestoreRoots));
        builder.Services.AddSingleton<VaultShelf>();
        builder.Services.AddSingleton<RpoBoard>();
        builder.Services.AddSingleton<IAgentFacts, AgentFacts>();
        builder.Services.AddSingleton<RestoreNotes>();
        builder.Services.AddSingleton<SurveyNotes>();
        builder.Services.AddSingleton<RestoreSource>();
        builder.Services.AddSingleton<SurveyWork>();
        builder.Services.AddSingleton<RestoreProof>();
        builder.Services.AddSingleton<HookNotes>();
        builder.Services.AddSingleton<HookRunner>();
        builder.Services.AddSingleton<HookFrame>();
        builder.Services.AddSingleton<ClusterTurns>();
        builder.Services.AddSingleton<BackupWork>();
        builder.Services.AddSingleton<RestoreWork>();
        builder.Services.AddSingleton<SendingLines>();
        builder.Services.AddSingleton<ReplicateWork>();
        builder.Services.AddSingleton<PruneWork>();
        builder.Services.AddSingleton<HoldWork>();
        builder.Services.AddSingleton<VerifyWork>();
        builder.Services.AddSingleton<TidyWork>();
        builder.Services.AddSingleton<IOrderWork, OrderWork>();
        builder.Services.AddSingleton<OrderDesk>();
        // First of all: an application that a crash left held is let go before anything else happens.
        builder.Services.AddHostedService(services => services.GetRequiredService<HookFrame>());
        builder.Services.AddHostedService(services => services.GetRequiredService<HoldWork>());
        builder.Services.AddHostedService(services => new JobRunner(
            services.GetRequiredService<JobBook>(), services.GetRequiredService<IOrderWork>(), settings.ConcurrentJobs, time, services.GetRequiredService<ILogger<JobRunner>>()));
        builder.Services.AddHostedService<WalReceiving>();
        // Last in, first out: at the stop the door closes before the jobs are interrupted.
        builder.Services.AddHostedService<RelayDoor>();
        return builder.Build();
    }
}
