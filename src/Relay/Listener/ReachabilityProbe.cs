using System.Net;
using System.Net.Sockets;

namespace Backup.Relay;

/// <summary>
/// Cuts the wait between two attempts short once the relay's port, at which nobody was, answers again. A probe is one TCP
/// connection, without TLS and without a token. A service that is up and refuses, or drops connections, is left alone.
/// </summary>
internal static class ReachabilityProbe
{
    /// <summary>Waits for the delay, or until the port answers after it did not.</summary>
    public static async Task WaitAsync(RelayConnection connection, RelayException? failure, TimeSpan delay, TimeSpan interval, CancellationToken stop)
    {
        var begun = connection.Clock.GetTimestamp();
        if (await IsAbsentAsync(connection.Endpoint, failure, interval, stop).ConfigureAwait(false))
        {
            while (Left() > interval)
            {
                await Task.Delay(interval, connection.Clock, stop).ConfigureAwait(false);
                if (await AnswersAsync(connection.Endpoint, interval, stop).ConfigureAwait(false)) return;
            }
        }
        if (Left() > TimeSpan.Zero) await Task.Delay(Left(), connection.Clock, stop).ConfigureAwait(false);

        TimeSpan Left() => delay - connection.Clock.GetElapsedTime(begun);
    }

    /// <summary>Nobody answered the attempt, or nobody does now that a connection broke: after a close with a reason the service is there.</summary>
    private static async Task<bool> IsAbsentAsync(RelayEndpoint endpoint, RelayException? failure, TimeSpan patience, CancellationToken stop) => failure switch
    {
        { InnerException: HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError } } => true,
        { Fault: RelayFault.ConnectionLost } => !await AnswersAsync(endpoint, patience, stop).ConfigureAwait(false),
        _ => false,
    };

    private static async Task<bool> AnswersAsync(RelayEndpoint endpoint, TimeSpan patience, CancellationToken stop)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stop);
        deadline.CancelAfter(patience);
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(new DnsEndPoint(endpoint.Host, endpoint.Port), deadline.Token).ConfigureAwait(false);
            return true;
        }
        catch (Exception e) when (e is SocketException || (e is OperationCanceledException && !stop.IsCancellationRequested))
        {
            // Still nobody there: what this is for.
            return false;
        }
    }
}
