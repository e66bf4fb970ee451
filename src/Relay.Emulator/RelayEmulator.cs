using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Backup.Relay.Emulator;

/// <summary>One or more running Azure Relay namespaces on this machine, for Hybrid Connections, on one port.</summary>
public sealed class RelayEmulator : IAsyncDisposable
{
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(5);

    private readonly WebApplication _app;
    private readonly NamespaceTable _namespaces;
    private int _stopped;

    private RelayEmulator(WebApplication app, NamespaceTable namespaces, RelayEmulatorOptions first, int port)
    {
        _app = app;
        _namespaces = namespaces;
        Port = port;
        Endpoint = RelayEndpoint.Parse($"sb://{first.Host}:{port}");
    }

    /// <summary>The port it listens on.</summary>
    public int Port { get; }

    /// <summary>What clients of the first namespace are configured with.</summary>
    public RelayEndpoint Endpoint { get; }

    /// <summary>Rendezvous addresses that are open now: none when nothing is going on.</summary>
    internal int OpenAddresses => _namespaces.All.Sum(space => space.Gateway.Rendezvous.Count);

    /// <summary>Requests and handshakes so far.</summary>
    internal long RequestsSeen => _namespaces.RequestsSeen;

    /// <summary>Listeners of an entity of the first namespace now.</summary>
    /// <param name="entity">A configured entity.</param>
    public int ListenerCount(EntityPath entity) => First(entity).ListenerCount;

    /// <summary>Starts one namespace; when this returns it accepts connections.</summary>
    /// <exception cref="EmulatorException">The port cannot be used.</exception>
    public static Task<RelayEmulator> StartAsync(RelayEmulatorOptions options, CancellationToken cancel, ILoggerFactory? logs = null) => StartAsync([options], cancel, logs);

    /// <summary>Starts several namespaces that share an address and a port; when this returns it accepts connections.</summary>
    /// <param name="namespaces">At least one; address and port are those of the first. It serves every name that no other one has.</param>
    /// <param name="cancel">Stops the start.</param>
    /// <param name="logs">Where it writes what happens; null for nowhere.</param>
    /// <exception cref="EmulatorException">The port cannot be used.</exception>
    /// <exception cref="ArgumentException">There is no namespace, or two have one host.</exception>
    public static async Task<RelayEmulator> StartAsync(IReadOnlyList<RelayEmulatorOptions> namespaces, CancellationToken cancel, ILoggerFactory? logs = null)
    {
        ArgumentNullException.ThrowIfNull(namespaces);
        if (namespaces.Count == 0) throw new ArgumentException("At least one namespace is needed.", nameof(namespaces));
        var first = namespaces[0];
        var logger = (logs ?? NullLoggerFactory.Instance).CreateLogger<RelayEmulator>();
        var table = new NamespaceTable(logger);
        table.Start(namespaces);
        // Built from nothing: environment variables meant for other servers must not move this one.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddLogging();
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => Configure(kestrel, first, table));
        var app = builder.Build();
        app.Use(GatheringUpgrade.InstallAsync);
        app.UseWebSockets();
        app.Run(table.HandleAsync);
        try
        {
            await app.StartAsync(cancel).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            await app.DisposeAsync().ConfigureAwait(false);
            throw new EmulatorException(EmulatorFault.Port, $"{first.Listen}:{first.Port} cannot be used: {e.Message}", "Choose another port, or 0 for a free one.", e);
        }
        table.Port = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()).Port;
        foreach (var space in namespaces) EmulatorLog.Started(logger, first.Listen.ToString(), table.Port, space.Host, space.Entities.Count);
        return new RelayEmulator(app, table, first, table.Port);
    }

    /// <summary>
    /// Takes over a changed configuration without a restart. Namespaces, entities, rules, keys and certificates may change; the
    /// address and the port cannot. Entities that stay keep their listeners; what is connected to one that is gone is closed with
    /// 1001. Changed keys count for new tokens: who was let in before stays until its token ends.
    /// </summary>
    /// <param name="namespaces">All namespaces from now on; at least one.</param>
    /// <exception cref="ArgumentException">There is no namespace, or two have one host.</exception>
    public Task ReloadAsync(IReadOnlyList<RelayEmulatorOptions> namespaces)
    {
        ArgumentNullException.ThrowIfNull(namespaces);
        if (namespaces.Count == 0) throw new ArgumentException("At least one namespace is needed.", nameof(namespaces));
        return _namespaces.ReloadAsync(namespaces);
    }

    /// <summary>Closes every control channel and stream with 1001 and stops.</summary>
    public async Task StopAsync()
    {
        if (Interlocked.Exchange(ref _stopped, 1) != 0) return;
        await Task.WhenAll(_namespaces.All.Select(space => space.Gateway.CloseAllAsync("The service is stopping"))).ConfigureAwait(false);
        using var patience = new CancellationTokenSource(StopTimeout);
        await _app.StopAsync(patience.Token).ConfigureAwait(false);
    }

    /// <summary>Drops every connection without a word, as a crash would.</summary>
    public async Task KillAsync()
    {
        if (Interlocked.Exchange(ref _stopped, 1) != 0) return;
        await _app.StopAsync(new CancellationToken(canceled: true)).ConfigureAwait(false);
    }

    /// <summary>Closes the control channels and streams of one entity of the first namespace, as disabling it would.</summary>
    /// <param name="entity">A configured entity.</param>
    public Task DisconnectListenersAsync(EntityPath entity) => First(entity).CloseAllAsync("The endpoint was disabled");

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        await _app.DisposeAsync().ConfigureAwait(false);
        _namespaces.Dispose();
    }

    private Entity First(EntityPath entity) => _namespaces.Of(Endpoint.Host).Gateway.Entities.All.Single(candidate => candidate.Path == entity);

    private static void Configure(KestrelServerOptions kestrel, RelayEmulatorOptions options, NamespaceTable namespaces)
    {
        kestrel.AddServerHeader = false;
        // Bodies are of any length and senders may be slow; the protocol's own idle limits apply instead.
        kestrel.Limits.MaxRequestBodySize = null;
        kestrel.Limits.MinRequestBodyDataRate = null;
        kestrel.Limits.MinResponseDataRate = null;
        // Addresses carry tokens and the sender's whole query.
        kestrel.Limits.MaxRequestLineSize = 32 * 1024;
        kestrel.Limits.MaxRequestHeadersTotalSize = 32 * 1024;
        kestrel.Listen(options.Listen, options.Port, endpoint =>
        {
            // Only HTTP/1.1: error details travel in the reason phrase, which HTTP/2 does not have.
            endpoint.Protocols = HttpProtocols.Http1;
            // Asked at each handshake, because certificates change when the configuration is read again.
            endpoint.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = context => ValueTask.FromResult(namespaces.Of(context.ClientHelloInfo.ServerName).Tls) });
        });
    }
}
