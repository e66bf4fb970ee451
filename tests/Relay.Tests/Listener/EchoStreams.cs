using System.Net.WebSockets;

namespace Backup.Relay.Tests.Listener;

/// <summary>Sends every message of one stream back, and keeps what was offered and how it ended.</summary>
internal sealed class EchoStreams : IRelayStreams
{
    public RelayStreamOffer? Offer { get; private set; }

    /// <summary>Null: deciding throws.</summary>
    public RelayStreamDecision? Decision { get; init; } = RelayStreamDecision.Accept("a");

    public TaskCompletionSource Ended { get; } = new();

    public string? CloseText { get; private set; }

    public ValueTask<RelayStreamDecision> DecideAsync(RelayStreamOffer offer, CancellationToken cancel)
    {
        Offer = offer;
        return ValueTask.FromResult(Decision ?? throw new InvalidOperationException("no decision"));
    }

    public async Task RunAsync(RelayStreamOffer offer, WebSocket socket, CancellationToken cancel)
    {
        var buffer = new byte[10_000];
        while (true)
        {
            var received = await socket.ReceiveAsync(buffer.AsMemory(), cancel);
            if (received.MessageType == WebSocketMessageType.Close) break;
            await socket.SendAsync(buffer.AsMemory(0, received.Count), received.MessageType, received.EndOfMessage, cancel);
        }
        CloseText = socket.CloseStatusDescription;
        Ended.SetResult();
    }
}
