using System.Net;
using System.Text;
using System.Xml.Linq;
using Shouldly;

namespace Backup.Relay.Tests.Emulator;

/// <summary>What the service does to requests and responses on their way, seen from both ends.</summary>
public sealed class HttpHygieneTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Request_InControlForm_IsDescribedAsSpecified()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ScriptAsync();
        var http = bed.Http();
        using var message = Message(bed, HttpMethod.Put, "Site/AGENT7/a%20b?q=%41&sb-hc-x=1", "payload");
        message.Headers.TryAddWithoutValidation("X-Plus", new string('+', 13_000));
        message.Headers.TryAddWithoutValidation("X-Twice", ["one", "two"]);
        message.Headers.TryAddWithoutValidation("Via", "1.0 before");
        message.Headers.TryAddWithoutValidation("Keep-Alive", "5");
        var responding = http.SendAsync(message, Cancel);
        var request = (await listener.ReadAsync()).Request!;
        request.Method.ShouldBe("PUT");
        request.RequestTarget.ShouldBe("/Site/AGENT7/a%20b?q=%41");
        request.Body.ShouldBe(true);
        request.Address!.ShouldStartWith($"wss://{bed.Emulator.Endpoint.Authority}/$hc/Site/AGENT7/a%20b?q=%41&sb-hc-action=request&sb-hc-id=");
        request.RequestHeaders!["X-Plus"].Length.ShouldBe(13_000);
        request.RequestHeaders["X-Twice"].ShouldBe("one, two");
        request.RequestHeaders["Via"].ShouldBe("1.0 before, 1.1 localhost");
        request.RequestHeaders["Host"].ShouldBe(bed.Emulator.Endpoint.Authority);
        request.RequestHeaders.Keys.ShouldNotContain("Keep-Alive");
        request.RequestHeaders.Keys.ShouldNotContain("Content-Length");
        request.RequestHeaders.Keys.ShouldNotContain("ServiceBusAuthorization");
        request.RemoteEndpoint!.Address.ShouldBe("127.0.0.1");
        Encoding.UTF8.GetString(await listener.ReadBodyAsync()).ShouldBe("payload");
        await listener.AnswerAsync(request.Id);
        (await responding).StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData(true, 10)]
    [InlineData(false, 65_537)]
    public async Task Request_ChunkedOrLarge_IsAnInvitationWithOnlyAnAddress(bool chunked, int bytes)
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ScriptAsync();
        using var message = Message(bed, HttpMethod.Post, "site/agent7", null);
        message.Content = new ByteArrayContent(new byte[bytes]);
        message.Headers.TransferEncodingChunked = chunked;
        var responding = bed.Http().SendAsync(message, Cancel);
        var invitation = (await listener.ReadAsync()).Request!;
        invitation.Method.ShouldBeNull();
        invitation.Body.ShouldBeNull();
        invitation.Id.ShouldBeNull();
        var rendezvous = new ScriptedListener(await bed.DialAsync(invitation.Address!));
        var request = (await rendezvous.ReadAsync()).Request!;
        request.Method.ShouldBe("POST");
        request.Body.ShouldBe(true);
        (await rendezvous.ReadBodyAsync()).Length.ShouldBe(bytes);
        await rendezvous.AnswerAsync(request.Id);
        (await responding).StatusCode.ShouldBe(HttpStatusCode.OK);
        // The relay closes with 1000 once the response is delivered.
        (await SocketMessage.ReadAsync(rendezvous.Socket, 100, Cancel)).IsClose.ShouldBeTrue();
        rendezvous.Socket.CloseStatus.ShouldBe(System.Net.WebSockets.WebSocketCloseStatus.NormalClosure);
    }

    [Fact]
    public async Task Response_IsCleanedBeforeItReachesTheWire()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ScriptAsync();
        await using var raw = await RawConnection.OpenAsync(bed);
        await raw.SendAsync($"GET /site/agent7 HTTP/1.1\nHost: x\nConnection: close\nServiceBusAuthorization: {bed.Token("send", RelayTestBed.SendKey, RelayTestBed.Hyco)}\n\n");
        var request = (await listener.ReadAsync()).Request!;
        await listener.SendAsync($$"""
            {"response":{"requestId":"{{request.Id}}","statusCode":"209","statusDescription":"fine\r\nX-Split: 1 ü","body":false,"unknown":{"a":[1]},
             "responseHeaders":{"X-Good":"a\r\nX-Split: 2","X Bad":"1","Content-Length":"99","Transfer-Encoding":"chunked","Via":"1.1 fake","X-Null":null} } }
            """);
        var response = await raw.ReadToEndAsync();
        response.ShouldStartWith("HTTP/1.1 209 fine??X-Split: 1 ?\r\n");
        response.ShouldContain("X-Good: a??X-Split: 2\r\n");
        response.ShouldNotContain("\nX-Split");
        response.ShouldNotContain("X Bad");
        response.ShouldNotContain("chunked");
        response.ShouldContain("Via: 1.1 localhost\r\n");
        response.ShouldNotContain("fake");
        response.ShouldContain("Content-Length: 0\r\n");
    }

    /// <summary>What hyco-https sends when an application sets such headers: as they are.</summary>
    [Fact]
    public async Task Response_WithHeadersThatAreNoText_IsDeliveredAllTheSame()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ScriptAsync();
        var responding = bed.Http().SendAsync(Message(bed, HttpMethod.Get, "site/agent7", null), Cancel);
        var request = (await listener.ReadAsync()).Request!;
        await listener.SendAsync($$"""
            {"response":{"requestId":"{{request.Id}}","statusCode":200,"body":true,
             "responseHeaders":{"Content-Length":5,"X-Number":-1.5e3,"X-Flag":true,"X-List":["a",2,null,["b"]],"X-Empty":[],"X-Object":{"a":{"b":1} },"X-Null":null,"X-Text":"t"} } }
            """);
        await listener.SendBodyAsync("hello"u8.ToArray());
        using var response = await responding;
        (await response.Content.ReadAsStringAsync(Cancel)).ShouldBe("hello");
        response.Headers.Where(header => header.Key.StartsWith("X-", StringComparison.Ordinal)).Select(header => (header.Key, header.Value.Single()))
            .ShouldBe([("X-Number", "-1.5e3"), ("X-Flag", "true"), ("X-List", "a, 2, b"), ("X-Text", "t")], ignoreOrder: true);
    }

    [Fact]
    public async Task Request_WithAnUpgradeItCanDoWithout_ArrivesWithoutTheConnectionsOwnHeaders()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ScriptAsync();
        await using var raw = await RawConnection.OpenAsync(bed);
        await raw.SendAsync($"GET /site/agent7 HTTP/1.1\nHost: x\nConnection: close, Upgrade, HTTP2-Settings, X-Hop\nUpgrade: h2c\nHTTP2-Settings: AAMAAABk\nX-Hop: 1\nX-End: 2\nTE: trailers\nServiceBusAuthorization: {bed.Token("send", RelayTestBed.SendKey, RelayTestBed.Hyco)}\n\n");
        var request = (await listener.ReadAsync()).Request!;
        request.RequestHeaders!.Keys.Order().ShouldBe(["Host", "Via", "X-End"]);
        await listener.AnswerAsync(request.Id);
        (await raw.ReadToEndAsync()).ShouldStartWith("HTTP/1.1 200 ");
    }

    [Theory]
    [InlineData("site/agent7?sb-hc-action=request", 400)]
    [InlineData("site/agent7?sb-hc-action=request&sb-hc-id=unknown_G0", 403)]
    [InlineData("site/agent7?sb-hc-action=accept&sb-hc-id=unknown_G0", 403)]
    [InlineData("site/agent7?sb-hc-action=accept", 403)]
    public async Task RendezvousAddress_ThatWasNeverGiven_IsRefused(string address, int status)
    {
        await using var bed = await RelayTestBed.StartAsync();
        (await Should.ThrowAsync<RelayException>(() => bed.DialAsync(address))).StatusCode.ShouldBe(status);
    }

    [Theory]
    [InlineData("HEAD", 200)]
    [InlineData("GET", 204)]
    [InlineData("GET", 304)]
    public async Task Response_ThatCannotHaveABody_HasNone_AndNodesEmptyMessageIsSkipped(string method, int status)
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ScriptAsync();
        var http = bed.Http();
        for (var round = 0; round < 2; round++)
        {
            var responding = http.SendAsync(Message(bed, new HttpMethod(method), "site/agent7", null), Cancel);
            await listener.AnswerAsync((await listener.ReadAsync()).Request!.Id, status.ToString(System.Globalization.CultureInfo.InvariantCulture));
            await listener.SendBodyAsync([]);
            var response = await responding;
            ((int)response.StatusCode).ShouldBe(status);
            (await response.Content.ReadAsByteArrayAsync(Cancel)).ShouldBeEmpty();
        }
    }

    [Fact]
    public async Task Response_WithABodyWhereNoneMayBe_LosesIt()
    {
        await using var bed = await RelayTestBed.StartAsync();
        await bed.ListenAsync((_, _) => Task.FromResult(RelayResponse.FromBytes(204, new byte[10])));
        using var response = await bed.Http().SendAsync(Message(bed, HttpMethod.Get, "site/agent7", null), Cancel);
        response.StatusCode.ShouldBe(HttpStatusCode.NoContent);
        (await response.Content.ReadAsByteArrayAsync(Cancel)).ShouldBeEmpty();
    }

    [Theory]
    [InlineData(100)]
    [InlineData(0)]
    [InlineData(1000)]
    public async Task Response_WithAStatusThatCannotBeSent_IsAServiceError(int status)
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ScriptAsync();
        var reply = bed.PostAsync([1]);
        var request = (await listener.ReadAsync()).Request!;
        await listener.ReadBodyAsync();
        await listener.AnswerAsync(request.Id, status.ToString(System.Globalization.CultureInfo.InvariantCulture));
        (await reply).ShouldBeOfType<RelayReply.OutcomeUnknown>().Failure.StatusCode.ShouldBe(500);
    }

    [Fact]
    public async Task OversizeControlAnswer_IsDropped_AndTheChannelLives()
    {
        var clock = FakeTime.New();
        await using var bed = await RelayTestBed.StartAsync(clock);
        var listener = await bed.ScriptAsync();
        using var sender = new RelaySender(bed.Connection("send", RelayTestBed.SendKey) with { Clock = TimeProvider.System });
        var lost = sender.SendAsync(RelayTestBed.Hyco, new RelayCall { Method = HttpMethod.Get }, Cancel);
        await listener.ReadAsync();
        await listener.SendAsync(new string('x', 300_000));
        await clock.DriveAsync(lost, TimeSpan.FromSeconds(5));
        (await lost).ShouldBeOfType<RelayReply.OutcomeUnknown>();
        var next = sender.SendAsync(RelayTestBed.Hyco, new RelayCall { Method = HttpMethod.Get }, Cancel);
        await listener.AnswerAsync((await listener.ReadAsync()).Request!.Id);
        (await next).ShouldBeOfType<RelayReply.Answered>();
    }

    [Fact]
    public async Task ListenerFilters_ChooseAmongListeners()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var ids = new[] { Guid.NewGuid(), Guid.NewGuid(), Guid.NewGuid() };
        foreach (var id in ids)
            await bed.ListenAsync((_, _) => Task.FromResult(RelayResponse.FromBytes(200, Encoding.UTF8.GetBytes(id.ToString()))), options => options with { ListenerId = id });
        var http = bed.Http();
        for (var round = 0; round < 10; round++)
        {
            (await AskAsync($"{ids[1]}", null)).ShouldBe(ids[1].ToString());
            (await AskAsync(null, $"{ids[0]}, {ids[1]}")).ShouldBe(ids[2].ToString());
        }
        (await AskAsync($"{ids[0]}", $"{ids[0]}")).ShouldContain("AllowedListeners/DisallowedListeners");
        var reached = new HashSet<string>();
        for (var round = 0; round < 200 && reached.Count < 3; round++) reached.Add(await AskAsync(null, null));
        reached.Count.ShouldBe(3);

        async Task<string> AskAsync(string? allowed, string? disallowed)
        {
            using var message = Message(bed, HttpMethod.Get, "site/agent7", null);
            if (allowed is not null) message.Headers.Add("Microsoft-Relay-AllowedListeners", allowed);
            if (disallowed is not null) message.Headers.Add("Microsoft-Relay-DisallowedListeners", disallowed);
            using var response = await http.SendAsync(message, Cancel);
            return await response.Content.ReadAsStringAsync(Cancel);
        }
    }

    [Theory]
    [InlineData("GET /$hc/site/agent7 HTTP/1.1\nHost: x\nConnection: close\n\n", 400)]
    [InlineData("GET /site/agent7 HTTP/1.1\nHost: x\nConnection: Upgrade, close\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\n\n", 400)]
    [InlineData("GET /$hc/site/agent7?sb-hc-action=dance HTTP/1.1\nHost: x\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\n\n", 400)]
    [InlineData("CONNECT site:443 HTTP/1.1\nHost: site:443\nConnection: close\n\n", 400)]
    [InlineData("GET / HTTP/1.1\nHost: x\nConnection: close\n\n", 400)]
    [InlineData("GET /site/agent7 HTTP/1.1\nHost: x\nConnection: close\n\n", 401)]
    [InlineData("POST https://evil.example/open?x HTTP/1.1\nHost: evil.example\nContent-Length: 0\nConnection: close\n\n", 404)]
    public async Task RawRequest_ThatCannotBeRouted_IsRefused(string text, int status)
    {
        await using var bed = await RelayTestBed.StartAsync();
        await using var raw = await RawConnection.OpenAsync(bed);
        await raw.SendAsync(text);
        var buffer = new byte[16];
        await raw.Stream.ReadExactlyAsync(buffer.AsMemory(0, 12), Cancel);
        Encoding.ASCII.GetString(buffer, 0, 12).ShouldBe($"HTTP/1.1 {status}");
    }

    [Fact]
    public async Task RendezvousAddress_NeverFollowsTheHostHeader()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ScriptAsync();
        await using var raw = await RawConnection.OpenAsync(bed);
        await raw.SendAsync($"GET https://evil.example/site/agent7 HTTP/1.1\nHost: evil.example\nServiceBusAuthorization: {bed.Token("send", RelayTestBed.SendKey, RelayTestBed.Hyco)}\n\n");
        new Uri((await listener.ReadAsync()).Request!.Address!).Host.ShouldBe("localhost");
    }

    [Fact]
    public async Task TwoSendersWithOneId_EachGetTheirOwnAnswer()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ScriptAsync();
        var http = bed.Http();
        var first = http.SendAsync(Message(bed, HttpMethod.Get, "site/agent7?sb-hc-id=same", null), Cancel);
        var firstId = (await listener.ReadAsync()).Request!.Id;
        firstId.ShouldBe("same_G0");
        var second = http.SendAsync(Message(bed, HttpMethod.Get, "site/agent7?sb-hc-id=same", null), Cancel);
        var secondId = (await listener.ReadAsync()).Request!.Id;
        secondId.ShouldNotBe(firstId);
        await listener.AnswerAsync(firstId, "201");
        await listener.AnswerAsync(secondId, "202");
        (await first).StatusCode.ShouldBe(HttpStatusCode.Created);
        (await second).StatusCode.ShouldBe(HttpStatusCode.Accepted);
    }

    [Fact]
    public async Task SenderThatLeaves_IsForgotten()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ScriptAsync();
        using var cancel = new CancellationTokenSource();
        var sending = bed.Http().SendAsync(Message(bed, HttpMethod.Get, "site/agent7", null), cancel.Token);
        var request = (await listener.ReadAsync()).Request!;
        await cancel.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => sending);
        await bed.BecomesIdleAsync();
        (await Should.ThrowAsync<RelayException>(() => bed.DialAsync(request.Address!))).StatusCode.ShouldBe(403);
    }

    [Fact]
    public async Task ManagementRead_DescribesTheEntity()
    {
        await using var bed = await RelayTestBed.StartAsync();
        await bed.ScriptAsync();
        var (status, document) = await ManageAsync(bed, "site/agent7", bed.Token("manage", RelayTestBed.ManageKey, RelayTestBed.Hyco));
        status.ShouldBe(HttpStatusCode.OK);
        XNamespace connect = "http://schemas.microsoft.com/netservices/2010/10/servicebus/connect";
        var description = document.Descendants(connect + "HybridConnectionDescription").Single();
        description.Elements().Select(element => element.Name.LocalName).ShouldBe(["CreatedAt", "UpdatedAt", "RequiresClientAuthorization", "UserMetadata", "ListenerCount"]);
        description.Element(connect + "UserMetadata")!.Value.ShouldBe("agent <7>");
        description.Element(connect + "ListenerCount")!.Value.ShouldBe("1");
        description.Element(connect + "RequiresClientAuthorization")!.Value.ShouldBe("true");
        (status, document) = await ManageAsync(bed, "nowhere", bed.Token("manage", RelayTestBed.ManageKey, EntityPath.Parse("nowhere")));
        status.ShouldBe(HttpStatusCode.NotFound);
        document.Root!.Element("Code")!.Value.ShouldBe("404");
        (status, _) = await ManageAsync(bed, "site/agent7", "SharedAccessSignature x");
        status.ShouldBe(HttpStatusCode.Unauthorized);
    }

    private static async Task<(HttpStatusCode, XDocument)> ManageAsync(RelayTestBed bed, string path, string token)
    {
        using var message = new HttpRequestMessage(HttpMethod.Get, path + "?api-version=2016-07");
        message.Headers.TryAddWithoutValidation("X-PROCESS-AT", "ServiceBus");
        message.Headers.TryAddWithoutValidation("Authorization", token);
        using var response = await bed.Http().SendAsync(message, Cancel);
        return (response.StatusCode, XDocument.Parse(await response.Content.ReadAsStringAsync(Cancel)));
    }

    private static HttpRequestMessage Message(RelayTestBed bed, HttpMethod method, string path, string? body)
    {
        var message = new HttpRequestMessage(method, RelayEndpoint.Exact($"https://{bed.Emulator.Endpoint.Authority}/{path}"));
        if (body is not null) message.Content = new StringContent(body);
        message.Headers.TryAddWithoutValidation("ServiceBusAuthorization", bed.Token("send", RelayTestBed.SendKey, RelayTestBed.Hyco));
        return message;
    }
}
