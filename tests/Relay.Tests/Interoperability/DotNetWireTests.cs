using System.Net;
using System.Net.WebSockets;
using System.Text;
using Backup.Relay.Tests.Emulator;
using Shouldly;

namespace Backup.Relay.Tests.Interoperability;

/// <summary>
/// What the official .NET client (Microsoft.Azure.Relay) puts on the wire, byte for byte where it matters: its handshakes, its
/// JSON with the properties in its serializer's order, its form-encoded parameters and the order of its closes.
/// </summary>
public sealed class DotNetWireTests
{
    private const string Key = "dGhlIHNhbXBsZSBub25jZQ==";
    private const string AcceptOfKey = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    private static readonly Guid ListenerId = Guid.Parse("6c4c9a0c-5d1e-4f26-9f0a-0a8a5a1d2b3c");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Listen_IsAnsweredAsItsHandshakeParserExpects_AndTheIdIsTheListeners()
    {
        await using var bed = await RelayTestBed.StartAsync();
        await using var raw = await RawConnection.OpenAsync(bed);
        var head = await HandshakeAsync(raw, bed, $"/$hc/site/agent7?sb-hc-action=listen&sb-hc-id={ListenerId}", bed.Token("listen", RelayTestBed.ListenKey, RelayTestBed.Hyco));
        head.ShouldStartWith("HTTP/1.1 101 ");
        head.ShouldContain("\r\nConnection: Upgrade\r\n");
        head.ShouldContain("\r\nUpgrade: websocket\r\n");
        head.ShouldContain($"\r\nSec-WebSocket-Accept: {AcceptOfKey}\r\n");
        head.ShouldNotContain("Sec-WebSocket-Extensions");
        var listener = Socket(raw);

        using var message = new HttpRequestMessage(HttpMethod.Get, "site/agent7/path?a=b");
        message.Headers.TryAddWithoutValidation("ServiceBusAuthorization", bed.Token("send", RelayTestBed.SendKey, RelayTestBed.Hyco));
        message.Headers.TryAddWithoutValidation("Microsoft-Relay-AllowedListeners", ListenerId.ToString("D").ToUpperInvariant());
        var responding = bed.Http().SendAsync(message, Cancel);
        var request = (await listener.ReadAsync()).Request!;
        // Recognised by the presence of "body"; .NET takes the id apart as a GUID and a suffix.
        request.Body.ShouldBe(false);
        Guid.Parse(request.Id!.Split('_')[0]).ShouldNotBe(Guid.Empty);
        await listener.SendAsync($$"""{"response":{"body":true,"requestId":"{{request.Id}}","responseHeaders":{"X-CustomHeader":"responseValue1,responseValue2"},"statusCode":201} }""");
        await listener.SendBodyAsync(Encoding.UTF8.GetBytes("{ \"a\" : true }"));
        using var response = await responding;
        (response.StatusCode, response.ReasonPhrase).ShouldBe((HttpStatusCode.Created, "Created"));
        response.Headers.Via.ToString().ShouldContain("localhost");
        (await response.Content.ReadAsStringAsync(Cancel)).ShouldBe("{ \"a\" : true }");

        await listener.SendAsync($$"""{"renewToken":{"token":"{{bed.Token("listen", RelayTestBed.ListenKey, RelayTestBed.Hyco)}}"} }""");
        await listener.Socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "Normal Closure", Cancel);
        (await SocketMessage.ReadAsync(listener.Socket, 100, Cancel)).IsClose.ShouldBeTrue();
        listener.Socket.CloseStatus.ShouldBe(WebSocketCloseStatus.NormalClosure);
    }

    [Fact]
    public async Task LargeResponse_ComesInFragmentsWithAnEmptyLastOne_AndTheListenerClosesFirst()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ScriptAsync();
        var reply = bed.PostAsync([1]);
        var request = (await listener.ReadAsync()).Request!;
        await listener.ReadBodyAsync();
        var rendezvous = await bed.DialAsync(request.Address!);
        var body = new byte[65 * 1024];
        Array.Fill(body, (byte)'y');
        await new ScriptedListener(rendezvous).SendAsync($$"""{"response":{"body":true,"requestId":"{{request.Id}}","responseHeaders":{},"statusCode":200,"statusDescription":"TestStatusDescription"} }""");
        foreach (var part in body.Chunk(10_000)) await rendezvous.SendAsync(part, WebSocketMessageType.Binary, endOfMessage: false, Cancel);
        await rendezvous.SendAsync(Array.Empty<byte>(), WebSocketMessageType.Binary, endOfMessage: true, Cancel);
        await rendezvous.CloseAsync(WebSocketCloseStatus.NormalClosure, "NormalClosure", Cancel);
        var answered = (await reply).ShouldBeOfType<RelayReply.Answered>();
        (answered.Reason, answered.Body.Length).ShouldBe(("TestStatusDescription", body.Length));
        await bed.BecomesIdleAsync();
    }

    [Fact]
    public async Task LargeRequest_IsReadAtTheRendezvousAsOneTextAndOneBinaryMessage_AndAnsweredThere()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ScriptAsync();
        var reply = bed.PostAsync(new byte[65 * 1024]);
        var invitation = (await listener.ReadAsync()).Request!;
        (invitation.Body, invitation.Method, invitation.Id).ShouldBe((null, null, null));
        var rendezvous = new ScriptedListener(await bed.DialAsync(invitation.Address!));
        var request = (await rendezvous.ReadAsync()).Request!;
        request.Body.ShouldBe(true);
        (await rendezvous.ReadBodyAsync()).Length.ShouldBe(65 * 1024);
        await rendezvous.SendAsync($$"""{"response":{"body":false,"requestId":"{{request.Id}}","responseHeaders":{},"statusCode":200,"statusDescription":"OK"} }""");
        await rendezvous.Socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "NormalClosure", Cancel);
        (await reply).ShouldBeOfType<RelayReply.Answered>().Body.Length.ShouldBe(0);
    }

    [Fact]
    public async Task Reject_HasItsFormEncodedReasonDecoded_AndIsAnswered410()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ScriptAsync();
        var token = WebUtility.UrlEncode(bed.Token("send", RelayTestBed.SendKey, RelayTestBed.Hyco));
        // The raw WebSocket sender of the SDK's tests: the token in the query, and no sb-hc-action at all.
        var opening = bed.DialAsync($"site/agent7?sb-hc-token={token}");
        var accept = (await listener.ReadAsync()).Accept!;
        accept.ConnectHeaders!.Keys.ShouldNotContain("ServiceBusAuthorization");
        accept.Address!.ShouldNotContain("sb-hc-token");
        var description = WebUtility.UrlEncode("Rejected by user code");
        (await Should.ThrowAsync<RelayException>(() => bed.DialAsync($"{accept.Address}&sb-hc-statusCode=400&sb-hc-statusDescription={description}"))).StatusCode.ShouldBe(410);
        var refused = await Should.ThrowAsync<RelayException>(() => opening);
        refused.StatusCode.ShouldBe(400);
        refused.Message.ShouldContain("400: Rejected by user code");
    }

    [Fact]
    public async Task Streams_ShutDownOneSideAfterTheOther()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ScriptAsync();
        var opening = bed.DialAsync($"site/agent7?sb-hc-action=connect&sb-hc-id={Guid.NewGuid()}", bed.Token("send", RelayTestBed.SendKey, RelayTestBed.Hyco));
        using var listenerSide = await bed.DialAsync((await listener.ReadAsync()).Accept!.Address!);
        using var senderSide = await opening;
        // One Write is one message, however large; one Read gives what is there.
        var megabyte = new byte[1024 * 1024];
        await senderSide.SendAsync(megabyte, WebSocketMessageType.Binary, endOfMessage: true, Cancel);
        (await SocketMessage.ReadAsync(listenerSide, 2_000_000, Cancel)).Bytes.Length.ShouldBe(megabyte.Length);
        await senderSide.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "Shutdown", Cancel);
        (await SocketMessage.ReadAsync(listenerSide, 100, Cancel)).IsClose.ShouldBeTrue();
        listenerSide.CloseStatusDescription.ShouldBe("Shutdown");
        // The other direction is still open.
        await listenerSide.SendAsync(new byte[10], WebSocketMessageType.Binary, endOfMessage: true, Cancel);
        (await SocketMessage.ReadAsync(senderSide, 100, Cancel)).Bytes.Length.ShouldBe(10);
        await listenerSide.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "Shutdown", Cancel);
        (await SocketMessage.ReadAsync(senderSide, 100, Cancel)).IsClose.ShouldBeTrue();
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("POST")]
    public async Task EveryStatusOfTheSdksTests_PassesUnchanged(string method)
    {
        await using var bed = await RelayTestBed.StartAsync();
        await bed.ListenAsync((request, _) => Task.FromResult(RelayResponse.Empty(int.Parse(request.Target.Suffix[1..], System.Globalization.CultureInfo.InvariantCulture))));
        var sender = bed.Sender();
        foreach (var status in new[]
        {
            200, 201, 202, 203, 204, 205, 206, 300, 301, 302, 303, 304, 305, 306, 307, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 426, 450,
            500, 501, 502, 503, 504, 505,
        })
        {
            var call = new RelayCall { Method = new HttpMethod(method), Suffix = $"/{status}", Body = method == "POST" ? new byte[10] : default };
            (await sender.SendAsync(RelayTestBed.Hyco, call, Cancel)).ShouldBeOfType<RelayReply.Answered>($"{status}").StatusCode.ShouldBe(status);
        }
    }

    [Theory]
    [InlineData("DELETE")]
    [InlineData("HEAD")]
    [InlineData("OPTIONS")]
    [InlineData("PUT")]
    [InlineData("TRACE")]
    [InlineData("PATCH")]
    [InlineData("PROPFIND")]
    public async Task EveryVerb_ReachesTheListener(string method)
    {
        await using var bed = await RelayTestBed.StartAsync();
        string? seen = null;
        await bed.ListenAsync((request, _) =>
        {
            seen = request.Method;
            return Task.FromResult(RelayResponse.Empty(200));
        });
        using var message = new HttpRequestMessage(new HttpMethod(method), RelayTestBed.Hyco.Value);
        message.Headers.TryAddWithoutValidation("ServiceBusAuthorization", bed.Token("send", RelayTestBed.SendKey, RelayTestBed.Hyco));
        (await bed.Http().SendAsync(message, Cancel)).StatusCode.ShouldBe(HttpStatusCode.OK);
        seen.ShouldBe(method);
    }

    [Theory]
    [InlineData("?foo=bar", "?foo=bar")]
    [InlineData("?sb-hc-id=1", "")]
    [InlineData("?sb-hc-id=1&custom=value", "?custom=value")]
    [InlineData("?custom=value&sb-hc-id=1", "?custom=value")]
    [InlineData("?sb-hc-undefined=true", "")]
    [InlineData("?foo=bar&", "?foo=bar&")]
    [InlineData("?sb-hc-undefined", "?sb-hc-undefined")]
    [InlineData("?&custom&value&", "?&custom&value&")]
    [InlineData("?&&value&&", "?&&value&&")]
    [InlineData("?+", "?+")]
    [InlineData("?%2f%3a%3d%26", "?%2f%3a%3d%26")]
    public async Task QueriesOfTheSdksTests_ArriveAsExpected(string query, string expected)
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ScriptAsync();
        await using var raw = await RawConnection.OpenAsync(bed);
        await raw.SendAsync($"GET /site/agent7{query} HTTP/1.1\nHost: localhost\nServiceBusAuthorization: {bed.Token("send", RelayTestBed.SendKey, RelayTestBed.Hyco)}\n\n");
        (await listener.ReadAsync()).Request!.RequestTarget.ShouldBe($"/site/agent7{expected}");
    }

    /// <summary>The request of the SDK's own WebSocket client, in its order of headers.</summary>
    private static async Task<string> HandshakeAsync(RawConnection raw, RelayTestBed bed, string target, string token)
    {
        await raw.SendAsync($"""
            GET {target} HTTP/1.1
            Host: {bed.Emulator.Endpoint.Authority}
            Connection: Upgrade
            Upgrade: websocket
            Sec-WebSocket-Version: 13
            Sec-WebSocket-Key: {Key}
            Relay-User-Agent: Microsoft.Azure.Relay/3.0.1.0
            ServiceBusAuthorization: {token}


            """);
        // Byte by byte: what follows the head belongs to the WebSocket.
        var head = new StringBuilder();
        var one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            await raw.Stream.ReadExactlyAsync(one, Cancel);
            head.Append((char)one[0]);
        }
        return head.ToString();
    }

    private static ScriptedListener Socket(RawConnection raw) => new(WebSocket.CreateFromStream(raw.Stream, new WebSocketCreationOptions { IsServer = false }));
}
