using System.Text.Json;
using Backup.Relay.Tests.Listener;
using Shouldly;

namespace Backup.Relay.Tests.Interoperability;

/// <summary>The official Node clients where they are peculiar: no token, headers that are no text, headers and subprotocols of streams, refusals.</summary>
public sealed class NodeOddCasesTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task EndpointWithoutClientAuthorization_LetsAnybodySend_AndPassesAuthorizationOn()
    {
        await NodeClients.RequireAsync();
        await using var bed = await RelayTestBed.StartAsync();
        using var listener = await NodeClients.ListenAsync("open-listener.js", bed, ("ENTITY", RelayTestBed.Open.Value));
        try
        {
            using var document = JsonDocument.Parse(await NodeClients.SendAsync("open-sender.js", bed, "", ("ENTITY", RelayTestBed.Open.Value)));
            var answer = document.RootElement;
            answer.GetProperty("status").GetInt32().ShouldBe(200, answer.GetRawText());
            answer.GetProperty("via").GetString().ShouldBe("1.1 localhost");
            answer.GetProperty("authorization").GetString().ShouldBe("Basic bWU6bXk=");
            // hyco-https sends the length as a JSON number and the first of several cookies.
            answer.GetProperty("body").GetString().ShouldBe("hello from /open/echo?x=1");
            answer.GetProperty("length").GetString().ShouldBe("25");
            answer.GetProperty("cookie").EnumerateArray().Select(c => c.GetString()).ShouldBe(["a=1"]);
        }
        finally
        {
            listener.Kill();
        }
    }

    [Fact]
    public async Task EndpointWithClientAuthorization_RefusesTheSameSender()
    {
        await NodeClients.RequireAsync();
        await using var bed = await RelayTestBed.StartAsync();
        using var document = JsonDocument.Parse(await NodeClients.SendAsync("open-sender.js", bed, ""));
        document.RootElement.GetProperty("status").GetInt32().ShouldBe(401);
    }

    [Fact]
    public async Task StreamSender_WithHeadersAndSubprotocols_ReachesOurListenerWithThem()
    {
        await NodeClients.RequireAsync();
        await using var bed = await RelayTestBed.StartAsync();
        foreach (var (entity, key) in new[] { (RelayTestBed.Hyco, RelayTestBed.SendKey), (RelayTestBed.Open, "") })
        {
            var streams = new EchoStreams { Decision = RelayStreamDecision.Accept("chosen") };
            await bed.ListenAsync((_, _) => Task.FromResult(RelayResponse.Empty(200)), options => options with { Entity = entity, Streams = streams });
            (await NodeClients.SendAsync("headers-stream-sender.js", bed, key, ("ENTITY", entity.Value))).ShouldBe("""{"protocol":"chosen","text":"hello"}""");
            streams.Offer!.Headers["x-who"].ShouldBe("node");
            streams.Offer.Headers.Keys.ShouldNotContain("ServiceBusAuthorization");
            streams.Offer.Headers.Keys.ShouldContain("Sec-WebSocket-Key");
            streams.Offer.SubProtocols.ShouldBe(["other", "chosen"]);
            streams.Offer.Target.ShouldBe(new RelayTarget("/tail", "x=1"));
        }
    }

    [Fact]
    public async Task StreamListener_ChoosesASubprotocol_AndItsRefusalIsSilenceUntilTheAddressIsStale()
    {
        await NodeClients.RequireAsync();
        await using var bed = await RelayTestBed.StartAsync(change: options => options with { Limits = options.Limits with { RendezvousLife = TimeSpan.FromSeconds(2) } });
        using var listener = await NodeClients.ListenAsync("picky-stream-listener.js", bed);
        try
        {
            (await NodeClients.SendAsync("headers-stream-sender.js", bed, RelayTestBed.SendKey)).ShouldBe("""{"protocol":"chosen","text":"hello"}""");
            var refused = await Should.ThrowAsync<RelayException>(() => bed.Sender().OpenStreamAsync(RelayTestBed.Hyco, new RelayStreamCall { SubProtocols = ["unknown"] }, Cancel));
            refused.StatusCode.ShouldBe(504);
            (await listener.StandardOutput.ReadLineAsync(Cancel))!.ShouldStartWith("refused ");
        }
        finally
        {
            listener.Kill();
        }
    }
}
