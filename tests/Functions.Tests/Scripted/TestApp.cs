using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Backup.AgentApi;
using Backup.Catalog.RecoveryPoints;
using Backup.Catalog.Replicas;
using Backup.Catalog.Restores;
using Backup.Catalog.Runs;
using Backup.Functions.Access;
using Backup.Functions.Agents;
using Backup.Functions.Archive;
using Backup.Functions.Backups;
using Backup.Functions.Immutability;
using Backup.Functions.Keys;
using Backup.Functions.Replication;
using Backup.Functions.Startup;
using Backup.Policy;
using Backup.Services.Testing;
using Backup.Standalone.Durable;
using Microsoft.AspNetCore.Http;
using Microsoft.DurableTask.Client;
using Microsoft.DurableTask.Worker;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Shouldly;

namespace Backup.Functions.Tests.Scripted;

/// <summary>The app's own orchestrations, activities and HTTP functions on the durable engine and a real catalog; only the agent and off-site storage follow scripts.</summary>
internal sealed class TestApp : IAsyncDisposable
{
    public const string PolicyText = """
        version: 1
        sites: [ { name: lab } ]
        tiers:
          - { name: offsite-hot, container: replica-hot, accessTier: Hot }
          - { name: offsite-cold, container: replica-cold, accessTier: Cold }
        agents: [ { name: lab-agent-1, site: lab, concurrency: 2 } ]
        assets:
          - { name: fits-files, kind: files, agent: lab-agent-1, vault: main, serviceClass: research, dataClass: published, paths: [/data/fits], excludes: ["*.tmp"], replicateTo: [offsite-hot, offsite-cold] }
          - { name: voids-db, kind: postgres, agent: lab-agent-1, vault: main, serviceClass: critical, dataClass: active, connection: voids, replicateTo: [offsite-hot], proof: { timeLimit: 30min, checks: [ { name: rows, database: voids, sql: "SELECT count(*) > 0 FROM voids" } ] } }
          - { name: config, kind: files, agent: lab-agent-1, vault: main, serviceClass: research, dataClass: active, paths: [/etc] }
          - { name: notes, kind: files, agent: lab-agent-1, vault: main, serviceClass: research, dataClass: active, paths: [/notes] }
        """;

    public static readonly string[] AdministratorNames = ["ada", "bea", "cyd"];

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    private readonly IHost _host;
    private readonly string _durable;
    private readonly string _catalog;

    private TestApp(IHost host, string durable, string catalog)
    {
        _host = host;
        _durable = durable;
        _catalog = catalog;
    }

    public ScriptedAgent Agent { get; } = new();

    public ScriptedOffsite Offsite { get; } = new();

    public ScriptedArchive Archive { get; } = new();

    public IServiceProvider Services => _host.Services;

    public DurableTaskClient Client => Services.GetRequiredService<DurableTaskClient>();

    public RunStore Runs => Services.GetRequiredService<RunStore>();

    public RecoveryPointStore Points => Services.GetRequiredService<RecoveryPointStore>();

    public ReplicaStore Replicas => Services.GetRequiredService<ReplicaStore>();

    public RestoreStore Restores => Services.GetRequiredService<RestoreStore>();

    public NpgsqlDataSource Catalog => Services.GetRequiredService<NpgsqlDataSource>();

    public static async Task<TestApp> StartAsync(PostgresFixture postgres, JobPatience? patience = null, Action<IServiceCollection>? configure = null, string? policy = null, string? catalog = null) =>
        await StartAsync(await postgres.CreateDatabaseAsync(), catalog ?? await postgres.CreateDatabaseAsync(), patience, configure, policy);

    /// <summary>Stops this one; another goes on with what the databases hold, and with an agent that has no script yet.</summary>
    public async Task<TestApp> RestartAsync()
    {
        await DisposeAsync();
        return await StartAsync(_durable, _catalog, null, null, null);
    }

    private static async Task<TestApp> StartAsync(string durable, string catalog, JobPatience? patience, Action<IServiceCollection>? configure, string? policy)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.ClearProviders();
        TestApp? app = null;
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(PolicyParser.Parse(policy ?? PolicyText, "policy.yaml"));
        builder.Services.AddSingleton(Settings(patience));
        builder.Services.AddCatalog(catalog);
        builder.Services.AddSingleton<IAgentLink>(_ => app!.Agent);
        builder.Services.AddSingleton<IOffsiteStore>(_ => app!.Offsite);
        builder.Services.AddSingleton<IArchiveTier>(_ => app!.Archive);
        builder.Services.AddSingleton(_ => new ControlPlaneKeys(PrivateIdentity.Create("control-plane"), null));
        builder.Services.AddSingleton<KeyChoice>();
        builder.Services.AddSingleton<KeyOrders>();
        builder.Services.AddSingleton<OrderWriter>();
        builder.Services.AddSingleton<RunReconciliation>();
        builder.Services.AddSingleton(Administrators.Read(new ConfigurationBuilder().AddInMemoryCollection(
            AdministratorNames.Select(name => new KeyValuePair<string, string?>($"Administrators:{name}", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(KeyOf(name))))))).Build()));
        builder.Services.AddDecisions();
        configure?.Invoke(builder.Services);
        builder.Services.TryAddSingleton<IImmutability, NoLocks>();
        builder.Services.AddDurableTaskWorker(worker => worker.AddTasks(registry => ReflectedFunctions.AddTo(registry, () => app!.Services)).UsePostgres(durable));
        builder.Services.AddDurableTaskClient(client => client.UsePostgres(durable));
        var host = builder.Build();
        app = new TestApp(host, durable, catalog);
        await ControlPlane.PrepareAsync(host.Services);
        await host.StartAsync();
        return app;
    }

    /// <summary>An administrator's personal key.</summary>
    public static string KeyOf(string administrator) => $"the-key-of-{administrator}";

    /// <summary>Quick, so that tests of failure end; every mechanism is the real one.</summary>
    public static ControlPlaneSettings Settings(JobPatience? patience = null) => new()
    {
        PolicyFile = "policy.yaml",
        CatalogConnection = "",
        RelayEndpoint = "sb://localhost",
        RelayKeyName = "send",
        IdentityFile = "",
        AgentsFolder = "",
        Patience = patience ?? new JobPatience { OfflineSeconds = 60, LostContactSeconds = 60, RetrySeconds = 1, JobSeconds = 300, PollMilliseconds = 1 },
        Archive = new ArchivePatience { PollMilliseconds = 5 },
    };

    public async Task<RunOutcome> BackUpAsync(string asset, string slot = "s1")
    {
        var id = InstanceIds.Backup(asset, slot);
        await Client.StartOnceAsync(nameof(AssetBackup), id, new BackupRequest { Asset = asset, RequestedBy = "test" }, CancellationToken.None);
        return await OutcomeAsync<RunOutcome>(id);
    }

    public async Task<T> OutcomeAsync<T>(string id)
    {
        using var limit = new CancellationTokenSource(Limit);
        var ended = await Client.WaitForInstanceCompletionAsync(id, getInputsAndOutputs: true, limit.Token);
        ended.RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Completed, ended.FailureDetails?.ToString());
        return ended.ReadOutputAs<T>() ?? throw new InvalidOperationException($"{id} has no output");
    }

    /// <summary>Calls an HTTP function as a host would and returns what it wrote.</summary>
    public async Task<HttpReply> CallAsync(Func<HttpRequest, Task<IResult>> function, object? body = null, string query = "", string? administrator = null)
    {
        var context = new DefaultHttpContext { RequestServices = Services };
        using var answer = new MemoryStream();
        context.Response.Body = answer;
        context.Request.QueryString = new QueryString(query);
        context.Request.Body = new MemoryStream(body is string text ? Encoding.UTF8.GetBytes(text) : JsonSerializer.SerializeToUtf8Bytes(body));
        if (administrator is not null)
        {
            context.Request.Headers[Administrators.Header] = KeyOf(administrator);
        }

        var result = await function(context.Request);
        await result.ExecuteAsync(context);
        return new HttpReply(
            context.Response.StatusCode, context.Response.ContentType!, context.Response.Headers.Location.ToString(), JsonSerializer.Deserialize<JsonElement>(answer.ToArray()));
    }

    public T Function<T>()
        where T : class => ActivatorUtilities.CreateInstance<T>(Services);

    public async Task<long> CountAsync(string table)
    {
        await using var command = Catalog.CreateCommand($"select count(*) from {table}");
        return (long)(await command.ExecuteScalarAsync())!;
    }

    public async Task<int> ExecuteAsync(string sql)
    {
        await using var command = Catalog.CreateCommand(sql);
        return await command.ExecuteNonQueryAsync();
    }

    /// <summary>Every row of both databases as text: for secrets that must not be there.</summary>
    public async Task<string> DumpAsync()
    {
        await using var durable = NpgsqlDataSource.Create(_durable);
        return await DumpAsync(durable) + await DumpAsync(Catalog);
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        await ((IAsyncDisposable)_host).DisposeAsync();
    }

    private static async Task<string> DumpAsync(NpgsqlDataSource source)
    {
        var tables = new List<string>();
        await using (var list = source.CreateCommand(
            "select format('%I.%I', table_schema, table_name) from information_schema.tables where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')"))
        await using (var reader = await list.ExecuteReaderAsync())
        {
            while (await reader.ReadAsync())
            {
                tables.Add(reader.GetString(0));
            }
        }

        var text = new StringBuilder();
        foreach (var table in tables)
        {
            await using var rows = source.CreateCommand($"select t::text from {table} t");
            await using var reader = await rows.ExecuteReaderAsync();
            while (await reader.ReadAsync())
            {
                text.AppendLine(reader.GetString(0));
            }
        }

        return text.ToString();
    }
}

internal sealed record HttpReply(int Status, string ContentType, string Location, JsonElement Body)
{
    public string Text(string field) => Body.GetProperty(field).GetString()!;
}
