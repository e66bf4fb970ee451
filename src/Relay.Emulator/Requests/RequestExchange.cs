using System.Globalization;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Backup.Relay.Emulator;

/// <summary>Brings one listener's answer to the sender.</summary>
internal sealed class RequestExchange(HttpContext context, RelayEmulatorOptions options, ILogger logger)
{
    /// <summary>How long a listener may take to echo the close of a finished rendezvous; its sender already has the answer.</summary>
    private static readonly TimeSpan EchoTimeout = TimeSpan.FromSeconds(5);

    private CancellationToken SenderGone => context.RequestAborted;

    /// <summary>An answer that is already here.</summary>
    public async Task<Refusal?> DeliverAsync(ResponseMessage response, ReadOnlyMemory<byte> body)
    {
        if (Begin(response) is { } refusal) return refusal;
        if (!MayHaveBody(response.StatusCode!.Value)) return null;
        context.Response.ContentLength = body.Length;
        await context.Response.Body.WriteAsync(body, SenderGone).ConfigureAwait(false);
        return null;
    }

    /// <summary>An exchange at a rendezvous.</summary>
    /// <param name="socket">The listener's connection; closed when this returns.</param>
    /// <param name="request">The request's description, when the listener does not have it yet.</param>
    /// <param name="upload">The request's body, sent after the description.</param>
    public async Task<Refusal?> DeliverAsync(WebSocket socket, byte[]? request, RequestUpload upload)
    {
        using var onGone = SenderGone.Register(static state => ((WebSocket)state!).Abort(), socket);
        var sending = request is null ? Task.CompletedTask : SendAsync(socket, request, upload);
        try
        {
            var response = await ReceiveResponseAsync(socket, sending).ConfigureAwait(false);
            if (response is null) return Refusal.NotAnswered;
            if (Begin(response) is { } refusal) return refusal;
            await CopyBodyAsync(socket, response).ConfigureAwait(false);
            await context.Response.CompleteAsync().ConfigureAwait(false);
            await sending.ConfigureAwait(false);
            await CloseAsync(socket).ConfigureAwait(false);
            return null;
        }
        catch (Exception e) when (ControlChannel.IsLoss(e))
        {
            EmulatorLog.TransferEnded(logger, e.Message);
            // A response that has begun must not look complete.
            if (context.Response.HasStarted) context.Abort();
            return context.Response.HasStarted ? null : Refusal.NotAnswered;
        }
        finally
        {
            // Whatever went wrong, nobody may be left sending into this socket.
            if (socket.State is not (WebSocketState.Closed or WebSocketState.Aborted)) socket.Abort();
            await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task SendAsync(WebSocket socket, byte[] request, RequestUpload upload)
    {
        await socket.SendAsync(request, WebSocketMessageType.Text, endOfMessage: true, SenderGone).ConfigureAwait(false);
        if (!upload.HasBody) return;
        var body = upload.Stream;
        await using var _ = body.ConfigureAwait(false);
        await MessageBodySender.SendAsync(socket, body, SenderGone).ConfigureAwait(false);
    }

    /// <summary>The response's description; null when none came in time. The time runs from the end of the upload.</summary>
    private async Task<ResponseMessage?> ReceiveResponseAsync(WebSocket socket, Task sending)
    {
        var receiving = ReadResponseAsync(socket);
        // An upload may take longer than the answer's deadline, as long as it moves.
        if (await Task.WhenAny(receiving, sending).ConfigureAwait(false) == sending) await sending.ConfigureAwait(false);
        try
        {
            return await receiving.WaitAsync(options.Limits.AnswerTimeout, options.Clock, SenderGone).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            socket.Abort();
            await ((Task)receiving).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return null;
        }
    }

    private static async Task<ResponseMessage?> ReadResponseAsync(WebSocket socket)
    {
        while (true)
        {
            var message = await SocketMessage.ReadAsync(socket, ControlText.JsonBytesReadMax, CancellationToken.None).ConfigureAwait(false);
            if (message.IsClose || message.IsOversize) return null;
            if (message.Type == WebSocketMessageType.Text && ControlText.Read(message.Bytes)?.Response is { } response) return response;
        }
    }

    private async Task CopyBodyAsync(WebSocket socket, ResponseMessage response)
    {
        if (response.Body != true) return;
        using var body = new MessageBody(socket, options.Limits.BodyIdleTimeout, options.Clock);
        if (MayHaveBody(response.StatusCode!.Value)) await body.CopyToAsync(context.Response.Body, 64 * 1024, SenderGone).ConfigureAwait(false);
        else await body.DrainAsync(SenderGone).ConfigureAwait(false);
    }

    /// <summary>Closes with 1000 and waits for the echo.</summary>
    private async Task CloseAsync(WebSocket socket)
    {
        if (socket.State is not (WebSocketState.Open or WebSocketState.CloseReceived)) return;
        await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None).ConfigureAwait(false);
        using var patience = new CancellationTokenSource(EchoTimeout, options.Clock);
        using var onPatience = patience.Token.Register(socket.Abort);
        while (socket.State == WebSocketState.CloseSent)
        {
            // Node sends an empty message after an answer without a body; it may still be in front of the echo.
            if ((await SocketMessage.ReadAsync(socket, 0, CancellationToken.None).ConfigureAwait(false)).IsClose) return;
        }
    }

    /// <summary>Status, reason and headers. A refusal when the listener's status cannot be sent.</summary>
    private Refusal? Begin(ResponseMessage response)
    {
        // 1xx would be an interim answer, after which the sender waits for ever.
        if (response.StatusCode is not (>= 200 and <= 999)) return new Refusal(500, "The listener answered with an invalid status code");
        context.Response.StatusCode = response.StatusCode.Value;
        var reason = ReasonPhrase.Clean(response.StatusDescription);
        if (reason.Length > 0) context.Features.GetRequiredFeature<IHttpResponseFeature>().ReasonPhrase = reason;
        foreach (var (name, value) in response.ResponseHeaders ?? [])
            if (HeaderText.IsName(name) && !RequestDescription.OfTheConnection.Contains(name)) context.Response.Headers[name] = HeaderText.Clean(value);
        if (HttpMethods.IsHead(context.Request.Method) && Length(response) is { } length) context.Response.ContentLength = length;
        // In place of whatever the listener said there.
        context.Response.Headers["Via"] = $"1.1 {options.Host}";
        return null;
    }

    /// <summary>For HEAD only: the length that GET would have.</summary>
    private static long? Length(ResponseMessage response) =>
        long.TryParse(response.ResponseHeaders?.GetValueOrDefault("Content-Length"), NumberStyles.None, CultureInfo.InvariantCulture, out var length) ? length : null;

    private bool MayHaveBody(int status) => !HttpMethods.IsHead(context.Request.Method) && status is not (204 or 205 or 304);
}

/// <summary>Header names and values that listeners give: a line break in one would split the response.</summary>
internal static class HeaderText
{
    private static readonly System.Buffers.SearchValues<char> NameChars =
        System.Buffers.SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    public static bool IsName(string name) => name.Length > 0 && !name.AsSpan().ContainsAnyExcept(NameChars);

    public static string Clean(string? value)
    {
        var text = value ?? "";
        return text.All(c => c is >= ' ' and <= '~' or '\t') ? text : string.Concat(text.Select(c => c is >= ' ' and <= '~' or '\t' ? c : '?'));
    }
}
