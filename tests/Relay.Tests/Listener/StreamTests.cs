using System.Net.WebSockets;
using System.Text;
using Shouldly;

namespace Backup.Relay.Tests.Listener;

public sealed class StreamTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task OpenStreamAsync_ToAnAcceptingListener_CarriesFramesBothWays()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var streams = new EchoStreams();
        await bed.ListenAsync((_, _) => Task.FromResult(RelayResponse.Empty(200)), options => options with { Streams = streams });
        using var socket = await bed.Sender().OpenStreamAsync(RelayTestBed.Hyco, new RelayStreamCall { Suffix = "/tail", Query = "x=1&sb-hc-fake=1", SubProtocols = ["b", "a"], Headers = new Dictionary<string, string> { ["X-Who"] = "me" } }, Cancel);
        socket.SubProtocol.ShouldBe("a");
        streams.Offer!.Target.ShouldBe(new RelayTarget("/tail", "x=1"));
        streams.Offer.SubProtocols.ShouldBe(["b", "a"]);
        streams.Offer.Headers.ContainsKey("servicebusauthorization").ShouldBeFalse();
        streams.Offer.Headers["x-who"].ShouldBe("me");

        await socket.SendAsync(Encoding.UTF8.GetBytes("hel"), WebSocketMessageType.Text, endOfMessage: false, Cancel);
        await socket.SendAsync(Encoding.UTF8.GetBytes("lo"), WebSocketMessageType.Text, endOfMessage: true, Cancel);
        var text = await SocketMessage.ReadAsync(socket, 100, Cancel);
        (text.Type, Encoding.UTF8.GetString(text.Bytes)).ShouldBe((WebSocketMessageType.Text, "hello"));
        var large = RequestRoundTripTests.Bytes(2_000_000, 7);
        var sending = socket.SendAsync(large, WebSocketMessageType.Binary, true, Cancel);
        (await SocketMessage.ReadAsync(socket, 3_000_000, Cancel)).Bytes.AsSpan().SequenceEqual(large).ShouldBeTrue();
        await sending;

        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "enough", Cancel);
        await streams.Ended.Task;
        streams.CloseText.ShouldBe("enough");
        socket.CloseStatus.ShouldBe(WebSocketCloseStatus.NormalClosure);
    }

    [Fact]
    public async Task OpenStreamAsync_ToARefusingListener_GivesItsStatusAndReason()
    {
        await using var bed = await RelayTestBed.StartAsync();
        await bed.ListenAsync((_, _) => Task.FromResult(RelayResponse.Empty(200)), options => options with { Streams = new EchoStreams { Decision = RelayStreamDecision.Reject(451, "not & here\r\nX: y") } });
        var refused = await Should.ThrowAsync<RelayException>(() => bed.Sender().OpenStreamAsync(RelayTestBed.Hyco, new RelayStreamCall(), Cancel));
        refused.StatusCode.ShouldBe(451);
        refused.Message.ShouldContain("not & here??X: y");
    }

    [Fact]
    public async Task OpenStreamAsync_ToAListenerThatThrows_Gives502()
    {
        await using var bed = await RelayTestBed.StartAsync();
        await bed.ListenAsync((_, _) => Task.FromResult(RelayResponse.Empty(200)), options => options with { Streams = new EchoStreams { Decision = null } });
        (await Should.ThrowAsync<RelayException>(() => bed.Sender().OpenStreamAsync(RelayTestBed.Hyco, new RelayStreamCall(), Cancel))).StatusCode.ShouldBe(502);
    }

    [Fact]
    public async Task OpenStreamAsync_ToAListenerWithoutStreams_Gives400()
    {
        await using var bed = await RelayTestBed.StartAsync();
        await bed.ListenAsync((_, _) => Task.FromResult(RelayResponse.Empty(200)));
        (await Should.ThrowAsync<RelayException>(() => bed.Sender().OpenStreamAsync(RelayTestBed.Hyco, new RelayStreamCall(), Cancel))).StatusCode.ShouldBe(400);
    }

    [Fact]
    public async Task OpenStreamAsync_WhenNobodyListens_Gives404()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var refused = await Should.ThrowAsync<RelayException>(() => bed.Sender().OpenStreamAsync(RelayTestBed.Hyco, new RelayStreamCall(), Cancel));
        refused.StatusCode.ShouldBe(404);
        refused.Message.ShouldContain("There are no listeners connected for the endpoint");
    }

    [Fact]
    public async Task OpenStreamAsync_WhenNobodyAcceptsInThirtySeconds_Gives504_AndTheAddressIsDead()
    {
        var clock = FakeTime.New();
        await using var bed = await RelayTestBed.StartAsync(clock);
        var listener = await bed.ScriptAsync();
        var opening = bed.DialAsync($"{RelayTestBed.Hyco}?sb-hc-action=connect&sb-hc-id=mine", bed.Token("send", RelayTestBed.SendKey, RelayTestBed.Hyco));
        var accept = (await listener.ReadAsync()).Accept!;
        accept.Id.ShouldBe("mine_G0");
        (await clock.DriveAsync(opening, TimeSpan.FromSeconds(1))).ShouldBeGreaterThanOrEqualTo(TimeSpan.FromSeconds(30));
        (await Should.ThrowAsync<RelayException>(() => opening)).StatusCode.ShouldBe(504);
        (await Should.ThrowAsync<RelayException>(() => bed.DialAsync(accept.Address!))).StatusCode.ShouldBe(403);
    }

    [Fact]
    public async Task Rendezvous_IsGoodOnceAndOnlyWithItsCapability()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ScriptAsync();
        var opening = bed.DialAsync($"{RelayTestBed.Hyco}/sub?a=1&sb-hc-action=connect&sb-hc-id=mine", bed.Token("send", RelayTestBed.SendKey, RelayTestBed.Hyco), ["p1", "p2"]);
        var accept = (await listener.ReadAsync()).Accept!;
        accept.Address!.ShouldStartWith($"wss://{bed.Emulator.Endpoint.Authority}/$hc/site/agent7/sub?a=1&sb-hc-action=accept&sb-hc-id=mine_G0&sb-hc-rv=");
        accept.ConnectHeaders!.ShouldContainKey("Sec-WebSocket-Key");
        accept.ConnectHeaders!["Sec-WebSocket-Protocol"].ShouldBe("p1, p2");
        var wrong = accept.Address![..^1] + (accept.Address[^1] == '0' ? '1' : '0');
        (await Should.ThrowAsync<RelayException>(() => bed.DialAsync(wrong))).StatusCode.ShouldBe(403);
        using var mine = await bed.DialAsync(accept.Address, protocols: ["p2"], headers: new Dictionary<string, string> { ["0"] = "tolerated" });
        mine.SubProtocol.ShouldBe("p2");
        using var sender = await opening;
        sender.SubProtocol.ShouldBe("p2");
        (await Should.ThrowAsync<RelayException>(() => bed.DialAsync(accept.Address))).StatusCode.ShouldBe(403);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task PeerThatDies_BreaksTheOthersConnection(bool withinAMessage)
    {
        // A close frame would read as the regular end: the official client's Read would return 0 instead of throwing.
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ScriptAsync();
        var opening = bed.DialAsync($"{RelayTestBed.Hyco}?sb-hc-action=connect", bed.Token("send", RelayTestBed.SendKey, RelayTestBed.Hyco));
        using var mine = await bed.DialAsync((await listener.ReadAsync()).Accept!.Address!);
        using var sender = await opening;
        var buffer = new byte[10];
        if (withinAMessage)
        {
            await mine.SendAsync(new byte[] { 1 }, WebSocketMessageType.Binary, endOfMessage: false, Cancel);
            (await sender.ReceiveAsync(buffer.AsMemory(), Cancel)).Count.ShouldBe(1);
        }
        mine.Abort();
        await Should.ThrowAsync<WebSocketException>(async () => await sender.ReceiveAsync(buffer.AsMemory(), Cancel));
    }
}
