using System.Net.WebSockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Backup.Relay.Emulator;

/// <summary>A running Azure Relay namespace on this machine, for Hybrid Connections.</summary>
public sealed class RelayEmulator : IAsyncDisposable
{
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(5);

    private readonly WebApplication _app;
    private readonly RelayGateway _gateway;
    private int _stopped;

    private RelayEmulator(WebApplication app, RelayGateway gateway, RelayEmulatorOptions options, int port)
    {
        _app = app;
        _gateway = gateway;
        Port = port;
        Endpoint = RelayEndpoint.Parse($"sb://{options.Host}:{port}");
    }

    /// <summary>The port it listens on.</summary>
    public int Port { get; }

    /// <summary>What clients are configured with.</summary>
    public RelayEndpoint Endpoint { get; }

    /// <summary>Rendezvous addresses that are open now: none when nothing is going on.</summary>
    internal int OpenAddresses => _gateway.Rendezvous.Count;

    /// <summary>Listeners of an entity now.</summary>
    /// <param name="entity">A configured entity.</param>
    public int ListenerCount(EntityPath entity) => _gateway.Entities.All.Single(candidate => candidate.Path == entity).ListenerCount;

    /// <summary>Starts a namespace; when this returns it accepts connections.</summary>
    /// <exception cref="EmulatorException">The port cannot be used.</exception>
    public static async Task<RelayEmulator> StartAsync(RelayEmulatorOptions options, CancellationToken cancel, ILoggerFactory? logs = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        var logger = (logs ?? NullLoggerFactory.Instance).CreateLogger<RelayEmulator>();
        var port = options.Port;
        // Built from nothing: environment variables meant for other servers must not move this one.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddLogging();
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => Configure(kestrel, options));
        var app = builder.Build();
        var gateway = new RelayGateway(options, () => $"{options.Host}:{port}", logger);
        app.Use(GatheringUpgrade.InstallAsync);
        app.UseWebSockets();
        app.Run(gateway.HandleAsync);
        try
        {
            await app.StartAsync(cancel).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            await app.DisposeAsync().ConfigureAwait(false);
            throw new EmulatorException(EmulatorFault.Port, $"{options.Listen}:{options.Port} cannot be used: {e.Message}", "Choose another port, or 0 for a free one.", e);
        }
        port = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()).Port;
        EmulatorLog.Started(logger, options.Listen.ToString(), port, options.Host);
        return new RelayEmulator(app, gateway, options, port);
    }

    /// <summary>Closes every control channel with 1001 and stops.</summary>
    public async Task StopAsync()
    {
        if (Interlocked.Exchange(ref _stopped, 1) != 0) return;
        var listeners = _gateway.Entities.All.SelectMany(entity => entity.Listeners());
        await Task.WhenAll(listeners.Select(listener => listener.CloseAsync(WebSocketCloseStatus.EndpointUnavailable, "The service is stopping"))).ConfigureAwait(false);
        using var patience = new CancellationTokenSource(StopTimeout);
        await _app.StopAsync(patience.Token).ConfigureAwait(false);
    }

    /// <summary>Drops every connection without a word, as a crash would.</summary>
    public async Task KillAsync()
    {
        if (Interlocked.Exchange(ref _stopped, 1) != 0) return;
        await _app.StopAsync(new CancellationToken(canceled: true)).ConfigureAwait(false);
    }

    /// <summary>Closes one entity's control channels, as deleting or disabling it would.</summary>
    /// <param name="entity">A configured entity.</param>
    public Task DisconnectListenersAsync(EntityPath entity) =>
        Task.WhenAll(_gateway.Entities.All.Single(candidate => candidate.Path == entity).Listeners()
            .Select(listener => listener.CloseAsync(WebSocketCloseStatus.EndpointUnavailable, "The endpoint was disabled")));

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        await _app.DisposeAsync().ConfigureAwait(false);
    }

    private static void Configure(KestrelServerOptions kestrel, RelayEmulatorOptions options)
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
            endpoint.UseHttps(options.Certificate);
        });
    }
}
