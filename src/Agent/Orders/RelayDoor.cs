using Backup.Agent.Settings;
using Backup.AgentApi;
using Backup.Relay;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Backup.Agent.Orders;

/// <summary>The agent's only way in: one address through the relay, to which sealed orders are posted.</summary>
internal sealed class RelayDoor : BackgroundService
{
    /// <summary>Orders are posted here, below the agent's entity.</summary>
    public const string OrdersPath = "/v1/orders";

    private readonly AgentSettings _settings;
    private readonly OrderDesk _desk;
    private readonly RelayListener _listener;
    private readonly ILogger<RelayDoor> _log;
    private readonly CancellationTokenSource _closing = new();

    /// <exception cref="RelayException">The relay's settings cannot be used.</exception>
    public RelayDoor(AgentSettings agent, OrderDesk desk, TimeProvider time, ILogger<RelayDoor> log, ILogger<RelayListener> listenerLog)
    {
        (_settings, _desk, _log) = (agent, desk, log);
        var settings = agent.Relay;
        var options = new RelayListenerOptions
        {
            Connection = new RelayConnection
            {
                Endpoint = RelayEndpoint.Parse(settings.Endpoint.OriginalString),
                Tokens = settings.Identity is { } identity ? new EntraTokens(identity.NewCredential(), time) : SasTokens.FromKeyFile(settings.KeyName!, settings.KeyFile!, time),
                Trust = RelayTrust.FromOptionalCertificateFile(settings.TrustedCertificateFile),
                Clock = time,
            },
            Entity = EntityPath.Parse(settings.Path),
        };
        _listener = new RelayListener(options, AnswerAsync, listenerLog);
    }

    /// <summary>Completes when orders can arrive.</summary>
    public Task WaitUntilOnlineAsync(CancellationToken cancel) => _listener.WaitUntilOnlineAsync(cancel);

    public override void Dispose()
    {
        _listener.Dispose();
        _closing.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // Long polls are answered when the agent stops, so that closing does not wait for them.
        using var closing = stoppingToken.Register(_closing.Cancel);
        var listening = _listener.RunAsync(stoppingToken);
        if (await Task.WhenAny(listening, _listener.WaitUntilOnlineAsync(stoppingToken)).ConfigureAwait(false) != listening && !stoppingToken.IsCancellationRequested)
        {
            OrderLog.Listening(_log, _settings.Name, _settings.Relay.Endpoint.OriginalString, _settings.Relay.Path);
        }

        await listening.ConfigureAwait(false);
    }

    private async Task<RelayResponse> AnswerAsync(RelayRequest request, CancellationToken cancel)
    {
        if (request.Target.Suffix != OrdersPath)
        {
            return RelayResponse.Empty(404);
        }

        if (!string.Equals(request.Method, "POST", StringComparison.OrdinalIgnoreCase))
        {
            return RelayResponse.Empty(405);
        }

        byte[] envelope;
        try
        {
            envelope = await request.ReadBodyAsync(SealingLimits.OrderBytesMax, cancel).ConfigureAwait(false);
        }
        catch (RelayException e) when (e.Fault == RelayFault.TooLarge)
        {
            return RelayResponse.Empty(413);
        }

        using var answering = CancellationTokenSource.CreateLinkedTokenSource(cancel, _closing.Token);
        var reply = await _desk.AnswerAsync(envelope, answering.Token).ConfigureAwait(false);
        return reply.Body.IsEmpty ? RelayResponse.Empty(reply.Status) : RelayResponse.FromBytes(reply.Status, reply.Body);
    }
}
