using System.Net.WebSockets;

namespace Backup.Relay;

/// <summary>A sender who wants a WebSocket stream to this entity.</summary>
/// <param name="Target">Suffix and query of the sender's address.</param>
/// <param name="Headers">The sender's headers; names compare without case.</param>
/// <param name="SubProtocols">What the sender offers, most wanted first.</param>
public sealed record RelayStreamOffer(RelayTarget Target, IReadOnlyDictionary<string, string> Headers, IReadOnlyList<string> SubProtocols);

/// <summary>What a listener says to an offer.</summary>
public sealed record RelayStreamDecision
{
    private RelayStreamDecision(bool isAccepted, string? subProtocol, int statusCode, string reason)
    {
        IsAccepted = isAccepted;
        SubProtocol = subProtocol;
        StatusCode = statusCode;
        Reason = reason;
    }

    /// <summary>True to open the stream.</summary>
    public bool IsAccepted { get; }

    internal string? SubProtocol { get; }

    internal int StatusCode { get; }

    internal string Reason { get; }

    /// <summary>Opens the stream with one of the offered subprotocols, or none.</summary>
    public static RelayStreamDecision Accept(string? subProtocol = null) => new(true, subProtocol, 101, "");

    /// <summary>Refuses it with a status from 200 to 999 and a reason the sender sees.</summary>
    public static RelayStreamDecision Reject(int statusCode, string reason) =>
        statusCode is >= 200 and <= 999 ? new(false, null, statusCode, reason) : throw new ArgumentOutOfRangeException(nameof(statusCode), statusCode, "A status is 200 to 999.");
}

/// <summary>Serves WebSocket streams. Implementations are called for several streams at once.</summary>
public interface IRelayStreams
{
    /// <summary>Accepts or refuses; an exception refuses with 502.</summary>
    ValueTask<RelayStreamDecision> DecideAsync(RelayStreamOffer offer, CancellationToken cancel);

    /// <summary>Uses the stream. When it returns, an open socket is closed with 1000; when it throws, the socket is aborted.</summary>
    Task RunAsync(RelayStreamOffer offer, WebSocket socket, CancellationToken cancel);
}
