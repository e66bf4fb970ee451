using System.Net.WebSockets;
using Microsoft.Extensions.Logging;

namespace Backup.Relay;

/// <summary>Accepts and refuses WebSocket streams.</summary>
internal sealed class StreamServer(RelayListenerOptions options, Rendezvous rendezvous, ILogger logger)
{
    public void Begin(AcceptMessage accept) => _ = ServeAsync(accept);

    private async Task ServeAsync(AcceptMessage accept)
    {
        // Yield first: the receive loop must not run the application's code.
        await Task.Yield();
        try
        {
            var offer = Offer(accept);
            var decision = await DecideAsync(offer).ConfigureAwait(false);
            if (!decision.IsAccepted)
            {
                await rendezvous.RefuseAsync(accept.Address, decision.StatusCode, decision.Reason, CancellationToken.None).ConfigureAwait(false);
                return;
            }
            using var socket = await rendezvous.DialAsync(accept.Address, decision.SubProtocol, CancellationToken.None).ConfigureAwait(false);
            await RunAsync(offer, socket).ConfigureAwait(false);
        }
        catch (RelayException e)
        {
            RelayLog.RendezvousFailed(logger, e.Fault, e.Message);
        }
    }

    private async Task<RelayStreamDecision> DecideAsync(RelayStreamOffer offer)
    {
        if (options.Streams is null) return RelayStreamDecision.Reject(400, "This listener takes no streams");
        try
        {
            return await options.Streams.DecideAsync(offer, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            RelayLog.StreamFailed(logger, e);
            return RelayStreamDecision.Reject(502, "The listener failed");
        }
    }

    private async Task RunAsync(RelayStreamOffer offer, WebSocket socket)
    {
        try
        {
            await options.Streams!.RunAsync(offer, socket, CancellationToken.None).ConfigureAwait(false);
            await Rendezvous.CloseAsync(socket, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            RelayLog.StreamFailed(logger, e);
            socket.Abort();
        }
    }

    private RelayStreamOffer Offer(AcceptMessage accept)
    {
        var headers = accept.ConnectHeaders ?? [];
        var protocols = headers.GetValueOrDefault("Sec-WebSocket-Protocol", "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        var target = Uri.TryCreate(accept.Address, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }, out var uri) ? uri.PathAndQuery : "";
        var ours = target.StartsWith("/$hc", StringComparison.OrdinalIgnoreCase) ? target[4..] : target;
        return new RelayStreamOffer(RelayTarget.Parse(ProtocolQuery.Strip(ours), options.Entity), headers, protocols);
    }
}
