using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Backup.Agent.Hosting;
using Backup.Agent.Logs;
using Backup.Agent.Orders;
using Backup.Agent.Settings;
using Backup.AgentApi;
using Backup.Relay;
using Backup.Relay.Emulator;
using Backup.Vault;
using Backup.Vault.Encryption;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Shouldly;

namespace Backup.Agent.Tests.EndToEnd;

/// <summary>A site for one test: relay emulator, vault, identities, and an agent configured for them; and the control plane's side of the talk.</summary>
internal sealed class AgentBench : IAsyncDisposable
{
    private const string Entity = "agents/lab-agent-1";
    private readonly IAsyncDisposable _relay;
    private readonly RelayEndpoint _endpoint;
    private readonly RelaySender _sender;
    private readonly PrivateIdentity _controlPlane;
    private readonly PrivateIdentity _agent;
    private OrderSealer _sealer;
    private PublicIdentity _addressee;
    private IHost? _host;

    private AgentBench(ScratchFolder scratch, IAsyncDisposable relay, RelayEndpoint endpoint, RelaySender sender, PrivateIdentity controlPlane, PrivateIdentity agent)
    {
        (Scratch, _relay, _endpoint, _sender, _controlPlane, _agent) = (scratch, relay, endpoint, sender, controlPlane, agent);
        (_sealer, _addressee) = (new OrderSealer(controlPlane, TimeProvider.System), agent.Public);
    }

    public PrivateIdentity ControlPlane => _controlPlane;

    public ScratchFolder Scratch { get; }

    public string ConfigFile => Scratch["agent.yaml"];

    public string VaultFolder { get; private init; } = "";

    /// <param name="vaultFolder">Where the vault is made; null for the scratch folder.</param>
    /// <param name="isRelayAProcess">The relay is a process of its own, which <see cref="RestartRelayAsync"/> kills.</param>
    public static async Task<AgentBench> StartAsync(string? vaultFolder = null, bool isRelayAProcess = false)
    {
        var cancel = TestContext.Current.CancellationToken;
        var scratch = new ScratchFolder();
        DevelopmentCertificate.Ensure(scratch.Root, TimeProvider.System);
        var certificate = scratch[DevelopmentCertificate.CertificateFileName];
        scratch.Write("listen.key", "listen-key");
        scratch.Write("send.key", "send-key");
        IAsyncDisposable relay = isRelayAProcess ? await RelayProcess.StartAsync(scratch, Entity) : await RelayEmulator.StartAsync(
            new RelayEmulatorOptions
            {
                Certificate = X509Certificate2.CreateFromPemFile(certificate, scratch[DevelopmentCertificate.KeyFileName]),
                Rules = [new EmulatorRule("listen", ["listen-key"], RelayRights.Listen), new EmulatorRule("send", ["send-key"], RelayRights.Send)],
                Entities = [new EmulatorEntity(EntityPath.Parse(Entity))],
                AcceptUnverifiedEntraTokens = true,
            },
            cancel);
        var endpoint = relay is RelayEmulator here ? here.Endpoint : ((RelayProcess)relay).Endpoint;
        var sender = new RelaySender(new RelayConnection
        {
            Endpoint = endpoint,
            Tokens = new SasTokens("send", "send-key", TimeProvider.System),
            Trust = RelayTrust.FromCertificateFile(certificate),
        });
        var (controlPlane, agent) = (PrivateIdentity.Create("control-plane"), PrivateIdentity.Create("lab-agent-1"));
        var bench = new AgentBench(scratch, relay, endpoint, sender, controlPlane, agent) { VaultFolder = vaultFolder ?? scratch["vault"] };
        agent.Save(scratch["agent.identity"]);
        controlPlane.Public.Save(scratch["control-plane.pub"]);
        Directory.CreateDirectory(scratch["data"]);
        Directory.CreateDirectory(scratch["restore"]);
        var made = await VaultCreation.CreateAsync(new FileSystemObjectStore(bench.VaultFolder), TimeProvider.System, cancel);
        VaultKeyFile.Save(scratch["backup.key"], made.BackupKey);
        VaultKeyFile.Save(scratch["restore.key"], made.RestoreKey);
        bench.Configure();
        return bench;
    }

    /// <summary>From now on orders are signed and encrypted with these.</summary>
    public void Use(PrivateIdentity controlPlane, PublicIdentity agent) => (_sealer, _addressee) = (new OrderSealer(controlPlane, TimeProvider.System), agent);

    /// <summary>Writes the agent's configuration.</summary>
    public void Configure(string backupKey = "backup.key", string extra = "", bool isEnrolled = false, string? relayIdentity = null, string? pruneKey = null) => Scratch.Write("agent.yaml", $$"""
        name: lab-agent-1
        site: lab
        relay:
          endpoint: "{{_endpoint}}"
          path: {{Entity}}
          {{(relayIdentity is null ? $"keyName: listen\n  keyFile: {Scratch["listen.key"]}" : $"identity: {relayIdentity}")}}
          trustedCertificateFile: {{Scratch[DevelopmentCertificate.CertificateFileName]}}
        {{(isEnrolled ? "" : $"identityFile: {Scratch["agent.identity"]}")}}
        {{(isEnrolled ? "" : $"controlPlaneFile: {Scratch["control-plane.pub"]}")}}
        stateFolder: {{Scratch["state"]}}
        vaults:
          main: { path: {{VaultFolder}}, backupKeyFile: {{Scratch[backupKey]}}, restoreKeyFile: {{Scratch["restore.key"]}}{{(pruneKey is null ? "" : $", pruneKeyFile: {Scratch[pruneKey]}")}} }
        allowedSources: [ {{Scratch["data"]}} ]
        restoreRoots: [ {{Scratch["restore"]}} ]
        {{extra}}
        """);

    /// <summary>Runs the agent within this process.</summary>
    /// <param name="time">Its clock; null for the machine's.</param>
    /// <returns>What it logs.</returns>
    public async Task<RecentLines> StartAgentAsync(TimeProvider? time = null)
    {
        _host = AgentHost.Build(AgentSettingsFile.Load(ConfigFile), time ?? TimeProvider.System);
        await _host.StartAsync(TestContext.Current.CancellationToken);
        await _host.Services.GetServices<IHostedService>().OfType<RelayDoor>().Single().WaitUntilOnlineAsync(TestContext.Current.CancellationToken);
        return _host.Services.GetRequiredService<RecentLines>();
    }

    public Task RestartRelayAsync() => ((RelayProcess)_relay).RestartAsync();

    public async Task StopAgentAsync()
    {
        await _host!.StopAsync(CancellationToken.None);
        await ((IAsyncDisposable)_host).DisposeAsync();
        _host = null;
    }

    public Task<RelayReply> PostAsync(ReadOnlyMemory<byte> envelope, string suffix = "/v1/orders") =>
        _sender.SendAsync(EntityPath.Parse(Entity), new RelayCall { Body = envelope, Suffix = suffix }, TestContext.Current.CancellationToken);

    public SealedOrder<TAnswer> Seal<TAnswer>(string id, OrderPayload<TAnswer> payload)
        where TAnswer : class => _sealer.Seal(_addressee, OrderId.Parse(id), payload);

    /// <summary>Orders and opens the answer; repeats the same order while the relay cannot say what became of it, as orchestrations do.</summary>
    public async Task<Answer<TAnswer>> OrderAsync<TAnswer>(string id, OrderPayload<TAnswer> payload)
        where TAnswer : class
    {
        while (true)
        {
            if (_relay is RelayProcess process)
            {
                await process.Serving;
            }

            var order = Seal(id, payload);
            if (await PostAsync(order.Envelope) is RelayReply.Answered { StatusCode: 200 } answered)
            {
                return _sealer.Open(order, answered.Body.Span);
            }

            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
        }
    }

    public async Task<JobReport> AskAsync(string job, int waitSeconds = 45) =>
        (await OrderAsync($"q-{Guid.NewGuid():N}", new JobQuery { OrderId = OrderId.Parse(job), WaitSeconds = waitSeconds })).Value.ShouldNotBeNull();

    /// <summary>Orders a job and long-polls to its end.</summary>
    public async Task<JobReport> RunAsync(string id, OrderPayload<JobTicket> payload)
    {
        (await OrderAsync(id, payload)).Refusal.ShouldBeNull();
        return await WaitForEndAsync(id);
    }

    public async Task<JobReport> WaitForEndAsync(string id)
    {
        JobReport report;
        do
        {
            report = await AskAsync(id);
        }
        while (!report.State.IsFinal());

        return report;
    }

    public BackupOrder Backup(params string[] paths) => new()
    {
        RunId = "run-7",
        Asset = "fits",
        SourceKind = SourceKind.Files,
        Files = new FilesSettings { Paths = paths.Length == 0 ? [Scratch["data"]] : paths },
        Vault = "main",
    };

    public static RestoreOrder Restore(string snapshot, string target, RestoreOrigin? from = null) => new()
    {
        RestoreId = "restore-1",
        Asset = "fits",
        SourceKind = SourceKind.Files,
        SnapshotId = snapshot,
        From = from ?? RestoreOrigin.FromVault("main"),
        Target = target,
    };

    public void FillData(int files, int bytesEach)
    {
        for (var i = 0; i < files; i++)
        {
            var path = Scratch[$"data/night-{i % 7}/image-{i}.fits"];
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, RandomNumberGenerator.GetBytes(bytesEach));
        }
    }

    /// <summary>What the data folder holds lies below the target, byte for byte.</summary>
    public void ShouldBeRestored(string target)
    {
        var files = Directory.GetFiles(Scratch["data"], "*", SearchOption.AllDirectories);
        files.ShouldNotBeEmpty();
        foreach (var file in files)
        {
            File.ReadAllBytes(target + file).ShouldBe(File.ReadAllBytes(file), file);
        }
    }

    public async Task<IReadOnlyList<SnapshotInfo>> SnapshotsAsync()
    {
        var vault = await OpenVault.OpenAsync(
            new FileSystemObjectStore(VaultFolder), VaultKeyFile.Load(Scratch["backup.key"]), TimeProvider.System, TestContext.Current.CancellationToken);
        return await vault.ListSnapshotsAsync(TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (_host is not null)
        {
            await StopAgentAsync();
        }

        _sender.Dispose();
        await _relay.DisposeAsync();
        _controlPlane.Dispose();
        _agent.Dispose();
        Scratch.Dispose();
    }
}
