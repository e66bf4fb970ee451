using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Backup.Relay.Tests.Listener;
using Shouldly;

namespace Backup.Relay.Tests.Interoperability;

/// <summary>The official Node clients as listener and as sender, against the emulator and against our own clients.</summary>
public sealed class NodeInteroperabilityTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task NodeListener_ServesOurSender()
    {
        await NodeClients.RequireAsync();
        await using var bed = await RelayTestBed.StartAsync();
        using var listener = await NodeClients.ListenAsync("listener.js", bed);
        try
        {
            foreach (var bytes in new[] { 0, 1, 60_000, 65_536, 65_537, 1_000_000 })
            {
                var body = new byte[bytes];
                Random.Shared.NextBytes(body);
                var reply = (await bed.PostAsync(body, "/echo?x=1")).ShouldBeOfType<RelayReply.Answered>($"{bytes} bytes");
                reply.StatusCode.ShouldBe(200);
                reply.Body.Span.SequenceEqual(body).ShouldBeTrue($"{bytes} bytes");
            }
            foreach (var bytes in new[] { 65_000, 65_537, 3_000_000 })
                (await bed.PostAsync([1], $"/bytes?count={bytes}")).ShouldBeOfType<RelayReply.Answered>().Body.Length.ShouldBe(bytes);
            // Node sends an empty body after announcing none; several in a row would show a channel out of step.
            foreach (var code in new[] { 204, 304, 200, 418, 204, 500, 304, 200 })
                (await bed.PostAsync([1], $"/status?code={code}")).ShouldBeOfType<RelayReply.Answered>().StatusCode.ShouldBe(code);
            var head = await bed.Sender().SendAsync(RelayTestBed.Hyco, new RelayCall { Method = HttpMethod.Head, Suffix = "/bytes?count=10" }, Cancel);
            head.ShouldBeOfType<RelayReply.Answered>().Body.Length.ShouldBe(0);
            (await bed.PostAsync(Encoding.UTF8.GetBytes("after"), "/echo")).ShouldBeOfType<RelayReply.Answered>().Body.Length.ShouldBe(5);
        }
        finally
        {
            listener.Kill();
        }
    }

    [Fact]
    public async Task NodeListener_ServesManyAtOnce()
    {
        await NodeClients.RequireAsync();
        await using var bed = await RelayTestBed.StartAsync();
        using var listener = await NodeClients.ListenAsync("listener.js", bed);
        try
        {
            var sender = bed.Sender();
            var replies = await Task.WhenAll(Enumerable.Range(0, 50).Select(async n =>
            {
                var body = new byte[n % 5 == 0 ? 100_000 + n : n];
                body.AsSpan().Fill((byte)n);
                return (body, Reply: await sender.SendAsync(RelayTestBed.Hyco, new RelayCall { Body = body, Suffix = "/echo" }, Cancel));
            }));
            foreach (var (body, reply) in replies) reply.ShouldBeOfType<RelayReply.Answered>().Body.Span.SequenceEqual(body).ShouldBeTrue();
        }
        finally
        {
            listener.Kill();
        }
    }

    [Theory]
    [InlineData("POST", 0, false)]
    [InlineData("POST", 10, false)]
    [InlineData("PUT", 65_536, false)]
    [InlineData("POST", 65_537, false)]
    [InlineData("POST", 10, true)]
    [InlineData("POST", 2_000_000, true)]
    public async Task NodeSender_ReachesOurListener(string method, int bytes, bool chunked)
    {
        await NodeClients.RequireAsync();
        await using var bed = await RelayTestBed.StartAsync();
        RelayTarget? target = null;
        await bed.ListenAsync(async (request, cancel) =>
        {
            target = request.Target;
            return RelayResponse.FromBytes(202, await request.ReadBodyAsync(10_000_000, cancel));
        });
        var result = await SendAsync(bed, RelayTestBed.SendKey, method, "/v1/orders?a=b", bytes, chunked);
        result.GetProperty("status").GetInt32().ShouldBe(202);
        result.GetProperty("count").GetInt32().ShouldBe(bytes);
        result.GetProperty("same").GetBoolean().ShouldBeTrue();
        result.GetProperty("via").GetString().ShouldBe("1.1 localhost");
        target.ShouldBe(new RelayTarget("/v1/orders", "a=b"));
    }

    [Fact]
    public async Task NodeSender_IsToldWhy()
    {
        await NodeClients.RequireAsync();
        await using var bed = await RelayTestBed.StartAsync();
        var absent = await SendAsync(bed, RelayTestBed.SendKey, "GET", "", 0, false);
        absent.GetProperty("status").GetInt32().ShouldBe(404);
        absent.GetProperty("reason").GetString()!.ShouldStartWith("There are no listeners connected for the endpoint. TrackingId:");
        absent.GetProperty("via").ValueKind.ShouldBe(JsonValueKind.Null);
        var forged = await SendAsync(bed, "wrong", "GET", "", 0, false);
        forged.GetProperty("status").GetInt32().ShouldBe(401);
        forged.GetProperty("reason").GetString()!.ShouldContain("token has an invalid signature");
    }

    [Fact]
    public async Task NodeSender_ReachesNodeListener()
    {
        await NodeClients.RequireAsync();
        await using var bed = await RelayTestBed.StartAsync();
        using var listener = await NodeClients.ListenAsync("listener.js", bed);
        try
        {
            foreach (var bytes in new[] { 10, 500_000 })
            {
                var result = await SendAsync(bed, RelayTestBed.SendKey, "POST", "/echo", bytes, false);
                result.GetProperty("status").GetInt32().ShouldBe(200);
                result.GetProperty("count").GetInt32().ShouldBe(bytes);
            }
        }
        finally
        {
            listener.Kill();
        }
    }

    [Fact]
    public async Task NodeStreamListener_ServesOurSender()
    {
        await NodeClients.RequireAsync();
        await using var bed = await RelayTestBed.StartAsync();
        using var listener = await NodeClients.ListenAsync("stream-listener.js", bed);
        try
        {
            using var socket = await bed.Sender().OpenStreamAsync(RelayTestBed.Hyco, new RelayStreamCall { Query = "x=1", SubProtocols = ["chosen", "other"] }, Cancel);
            socket.SubProtocol.ShouldBe("chosen");
            await socket.SendAsync(Encoding.UTF8.GetBytes("hello"), WebSocketMessageType.Text, true, Cancel);
            var text = await SocketMessage.ReadAsync(socket, 100, Cancel);
            (text.Type, Encoding.UTF8.GetString(text.Bytes)).ShouldBe((WebSocketMessageType.Text, "hello"));
            var large = new byte[1_000_000];
            Random.Shared.NextBytes(large);
            await socket.SendAsync(large, WebSocketMessageType.Binary, true, Cancel);
            (await SocketMessage.ReadAsync(socket, 2_000_000, Cancel)).Bytes.AsSpan().SequenceEqual(large).ShouldBeTrue();
            await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "enough", Cancel);
        }
        finally
        {
            listener.Kill();
        }
    }

    [Fact]
    public async Task NodeStreamSender_ReachesOurListenerAndNodes()
    {
        await NodeClients.RequireAsync();
        await using var bed = await RelayTestBed.StartAsync();
        using (var listener = await NodeClients.ListenAsync("stream-listener.js", bed))
        {
            var fromNode = await StreamAsync(bed);
            listener.Kill();
            await listener.WaitForExitAsync(Cancel);
            fromNode.ShouldBe("""{"code":1000,"reason":"enough","text":"hello","same":true}""");
        }
        while (bed.Emulator.ListenerCount(RelayTestBed.Hyco) > 0) await Task.Delay(1, Cancel);
        await bed.ListenAsync((_, _) => Task.FromResult(RelayResponse.Empty(200)), options => options with { Streams = new EchoStreams { Decision = RelayStreamDecision.Accept() } });
        (await StreamAsync(bed)).ShouldBe("""{"code":1000,"reason":"enough","text":"hello","same":true}""");
    }

    private static async Task<JsonElement> SendAsync(RelayTestBed bed, string key, string method, string suffix, int bytes, bool chunked)
    {
        var line = await NodeClients.SendAsync("sender.js", bed, key, ("METHOD", method), ("SUFFIX", suffix), ("BODY_BYTES", $"{bytes}"), ("CHUNKED", chunked ? "true" : "false"));
        using var document = JsonDocument.Parse(line);
        return document.RootElement.Clone();
    }

    private static Task<string> StreamAsync(RelayTestBed bed) => NodeClients.SendAsync("stream-sender.js", bed, RelayTestBed.SendKey);
}
