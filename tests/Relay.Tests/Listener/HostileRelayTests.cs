using System.Net;
using System.Net.WebSockets;
using System.Text;
using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;

namespace Backup.Relay.Tests.Listener;

/// <summary>Our listener against a relay that a test plays by hand: wrong, odd and evil ones.</summary>
public sealed class HostileRelayTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("""{"request":{"address":"wss://evil.example/$hc/site/agent7?x"}}""")]
    [InlineData("""{"request":{"address":"ws://localhost/$hc/site/agent7?x"}}""")]
    [InlineData("""{"accept":{"address":"wss://evil.example/$hc/site/agent7?x","id":"1"}}""")]
    [InlineData("""{"accept":{"id":"1","connectHeaders":null}}""")]
    [InlineData("""{"request":{}}""")]
    [InlineData("""{"later":{"release":1}}""")]
    [InlineData("""{"request":17}""")]
    [InlineData("""[1,2""")]
    [InlineData("")]
    [InlineData("""{"response":{"requestId":"1","statusCode":200,"body":true}}""")]
    [InlineData("""{"renewToken":{"token":"x"}}""")]
    public async Task ControlMessage_ThatIsWrong_DisturbsNothing(string message)
    {
        await using var relay = await PlayedRelay.StartAsync();
        await using var listening = relay.Listen();
        var channel = await relay.NextAsync();
        await channel.SendAsync(message);
        (await AskAsync(channel, "after")).ShouldBe(200);
        relay.Dialled.ShouldBe(1);
    }

    [Fact]
    public async Task EmptyBinaryMessage_WithoutARequest_IsSkipped()
    {
        await using var relay = await PlayedRelay.StartAsync();
        await using var listening = relay.Listen();
        var channel = await relay.NextAsync();
        await channel.SendBodyAsync([]);
        (await AskAsync(channel, "after")).ShouldBe(200);
    }

    [Fact]
    public async Task BodyThatIsAText_EndsTheChannel_AndTheListenerComesBack()
    {
        await using var relay = await PlayedRelay.StartAsync();
        await using var listening = relay.Listen();
        var channel = await relay.NextAsync();
        await channel.SendAsync("""{"request":{"id":"1","method":"POST","body":true}}""");
        await channel.SendAsync("not a body");
        (await AskAsync(await relay.NextAsync(), "again")).ShouldBe(200);
    }

    [Fact]
    public async Task OversizeControlMessage_EndsTheChannel_AndTheListenerComesBack()
    {
        await using var relay = await PlayedRelay.StartAsync();
        await using var listening = relay.Listen();
        var channel = await relay.NextAsync();
        try
        {
            await channel.SendAsync(new string('x', ControlText.JsonBytesReadMax + 1));
        }
        catch (WebSocketException)
        {
            // The listener may hang up before it was sent to the end.
        }
        (await AskAsync(await relay.NextAsync(), "again")).ShouldBe(200);
    }

    [Fact]
    public async Task FragmentedMessagesAndUnknownFields_AreUnderstood()
    {
        await using var relay = await PlayedRelay.StartAsync();
        await using var listening = relay.Listen();
        var channel = await relay.NextAsync();
        var text = Encoding.UTF8.GetBytes("""{"request":{"id":"f","method":"POST","requestTarget":"/site/agent7","requestHeaders":{"a":"b"},"body":true,"new":{"x":[1]}},"more":1}""");
        foreach (var part in text.Chunk(7)) await channel.Socket.SendAsync(part, WebSocketMessageType.Text, false, Cancel);
        await channel.Socket.SendAsync(Array.Empty<byte>(), WebSocketMessageType.Text, true, Cancel);
        foreach (var part in new byte[100].Chunk(9)) await channel.Socket.SendAsync(part, WebSocketMessageType.Binary, false, Cancel);
        await channel.Socket.SendAsync(Array.Empty<byte>(), WebSocketMessageType.Binary, true, Cancel);
        var response = (await channel.ReadAsync()).Response!;
        (response.RequestId, response.StatusCode, response.Body).ShouldBe(("f", 200, true));
        (await channel.ReadBodyAsync()).Length.ShouldBe(100);
    }

    [Fact]
    public async Task SlowHandler_DoesNotHoldUpTheOthers()
    {
        await using var relay = await PlayedRelay.StartAsync();
        var release = new TaskCompletionSource();
        await using var listening = relay.Listen(async (request, _) =>
        {
            if (request.Method == "SLOW") await release.Task;
            return RelayResponse.Empty(200);
        });
        var channel = await relay.NextAsync();
        await channel.SendAsync("""{"request":{"id":"slow","method":"SLOW","body":false}}""");
        (await AskAsync(channel, "quick")).ShouldBe(200);
        release.SetResult();
        (await channel.ReadAsync()).Response!.RequestId.ShouldBe("slow");
    }

    [Fact]
    public async Task FuzzedControlFrames_NeverStopTheListener()
    {
        var seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var relay = await PlayedRelay.StartAsync();
        await using var listening = relay.Listen();
        var channel = await relay.NextAsync();
        string[] samples =
        [
            """{"request":{"address":"wss://localhost/$hc/a?x","id":"i","requestTarget":"/a","method":"GET","requestHeaders":{"a":"b"},"body":false}}""",
            """{"request":{"address":"wss://evil.example/$hc/a?x"}}""",
            """{"accept":{"address":"wss://evil.example/$hc/a?x","id":"i","connectHeaders":{"Sec-WebSocket-Key":"k"}}}""",
            """{"renewToken":{"token":"t"}}""",
        ];
        for (var n = 0; n < 400; n++)
        {
            var bytes = Encoding.UTF8.GetBytes(samples[random.Next(samples.Length)]);
            for (var flips = random.Next(6); flips > 0; flips--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            var cut = random.Next(4) == 0 ? bytes[..random.Next(bytes.Length)] : bytes;
            // A text frame must be valid UTF-8 to reach the parser; anything else is the WebSocket layer's to refuse.
            var text = Encoding.UTF8.GetString(cut);
            try
            {
                if (random.Next(5) == 0) await channel.SendBodyAsync(cut);
                else await channel.SendAsync(text);
            }
            catch (WebSocketException)
            {
                // A mutation asked for a body that never came: the listener gave this channel up, as it should, and dials again.
                channel = await relay.NextAsync();
            }
            if (channel.Socket.State != WebSocketState.Open) channel = await relay.NextAsync();
        }
        // Whatever channel is open in the end, it serves. A mutation may have left it waiting for a body: the answer or a new channel comes.
        channel.Socket.Abort();
        (await AskAsync(await relay.NextAsync(), "after")).ShouldBe(200);
    }

    private static async Task<int?> AskAsync(ScriptedListener channel, string id)
    {
        await channel.SendAsync($$"""{"request":{"id":"{{id}}","requestTarget":"/site/agent7","method":"GET","body":false} }""");
        while (true)
        {
            var message = await channel.ReadAsync();
            if (message.Response?.RequestId == id) return message.Response.StatusCode;
        }
    }

    /// <summary>Accepts every WebSocket and hands it to the test.</summary>
    private sealed class PlayedRelay : IAsyncDisposable
    {
        private readonly Channel<ScriptedListener> _channels = Channel.CreateUnbounded<ScriptedListener>();
        private readonly WebApplication _app;
        private int _dialled;

        private PlayedRelay(WebApplication app) => _app = app;

        public int Dialled => Volatile.Read(ref _dialled);

        private RelayEndpoint Endpoint { get; set; } = null!;

        public static async Task<PlayedRelay> StartAsync()
        {
            var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
            builder.Services.AddLogging();
            builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, endpoint =>
            {
                endpoint.Protocols = HttpProtocols.Http1;
                endpoint.UseHttps(RelayTestBed.Certificate);
            }));
            var relay = new PlayedRelay(builder.Build());
            relay._app.UseWebSockets();
            relay._app.Run(async context =>
            {
                Interlocked.Increment(ref relay._dialled);
                using var socket = await context.WebSockets.AcceptWebSocketAsync();
                await relay._channels.Writer.WriteAsync(new ScriptedListener(socket));
                var gone = new TaskCompletionSource();
                await using var _ = context.RequestAborted.Register(gone.SetResult);
                await gone.Task;
            });
            await relay._app.StartAsync(Cancel);
            var address = relay._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
            relay.Endpoint = RelayEndpoint.Parse($"sb://localhost:{new Uri(address).Port}");
            return relay;
        }

        public async Task<ScriptedListener> NextAsync() => await _channels.Reader.ReadAsync(Cancel);

        public Running Listen(RelayHandler? handler = null)
        {
            var options = new RelayListenerOptions
            {
                Connection = new RelayConnection { Endpoint = Endpoint, Tokens = new SasTokens("listen", "key", TimeProvider.System), Trust = RelayTrust.FromCertificateFile(RelayTestBed.CertificateFile) },
                Entity = RelayTestBed.Hyco,
                ReconnectDelays = [TimeSpan.Zero],
                DrainTimeout = TimeSpan.FromMilliseconds(10),
            };
            var listener = new RelayListener(options, handler ?? (async (request, cancel) => RelayResponse.FromBytes(200, await request.ReadBodyAsync(1000, cancel))), NullLogger<RelayListener>.Instance);
            return new Running(listener, this);
        }

        public Task KillAsync() => _app.StopAsync(new CancellationToken(canceled: true));

        public async ValueTask DisposeAsync()
        {
            await KillAsync();
            await _app.DisposeAsync();
        }
    }

    private sealed class Running : IAsyncDisposable
    {
        private readonly RelayListener _listener;
        private readonly PlayedRelay _relay;
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _running;

        public Running(RelayListener listener, PlayedRelay relay)
        {
            _relay = relay;
            _listener = listener;
            _running = listener.RunAsync(_stop.Token);
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            // A played relay never echoes a goodbye.
            await _relay.KillAsync();
            await _running;
            _listener.Dispose();
            _stop.Dispose();
        }
    }
}
