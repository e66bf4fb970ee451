using System.Net.WebSockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Backup.Relay.Emulator;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Backup.Relay.Tests;

/// <summary>An emulated namespace on a free port with a certificate of its own, and short ways to its listeners and senders.</summary>
internal sealed class RelayTestBed : IAsyncDisposable
{
    public const string ListenKey = "listen-key";
    public const string SendKey = "send-key";
    public const string ManageKey = "manage-key";

    public static readonly EntityPath Hyco = EntityPath.Parse("site/agent7");
    public static readonly EntityPath Open = EntityPath.Parse("open");

    private static readonly Lazy<string> Folder = new(() =>
    {
        var folder = Directory.CreateTempSubdirectory("relay-tests-").FullName;
        DevelopmentCertificate.Ensure(folder, TimeProvider.System);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        return folder;
    });

    private readonly List<(RelayListener Listener, CancellationTokenSource Stop, Task Running)> _listeners = [];
    private readonly List<IDisposable> _owned = [];

    private RelayTestBed(RelayEmulator emulator, TimeProvider clock)
    {
        Emulator = emulator;
        Clock = clock;
    }

    public static string CertificateFile => Path.Combine(Folder.Value, DevelopmentCertificate.CertificateFileName);

    public static X509Certificate2 Certificate => X509Certificate2.CreateFromPemFile(CertificateFile, Path.Combine(Folder.Value, DevelopmentCertificate.KeyFileName));

    public RelayEmulator Emulator { get; }

    public TimeProvider Clock { get; }

    public static RelayEmulatorOptions Options(TimeProvider? clock = null) => new()
    {
        Certificate = Certificate,
        Clock = clock ?? TimeProvider.System,
        Rules =
        [
            new EmulatorRule("listen", ["old-listen-key", ListenKey], RelayRights.Listen),
            new EmulatorRule("send", [SendKey], RelayRights.Send),
            new EmulatorRule("manage", [ManageKey], RelayRights.Manage),
        ],
        Entities =
        [
            new EmulatorEntity(EntityPath.Parse("site")),
            new EmulatorEntity(Hyco) { UserMetadata = "agent <7>", Rules = [new EmulatorRule("send", ["entity-send-key"], RelayRights.Send)] },
            new EmulatorEntity(Open) { RequiresClientAuthorization = false },
        ],
    };

    public static async Task<RelayTestBed> StartAsync(TimeProvider? clock = null, Func<RelayEmulatorOptions, RelayEmulatorOptions>? change = null, ILoggerFactory? logs = null)
    {
        var options = Options(clock);
        return new RelayTestBed(await RelayEmulator.StartAsync(change?.Invoke(options) ?? options, TestContext.Current.CancellationToken, logs), clock ?? TimeProvider.System);
    }

    public RelayConnection Connection(string rule, string key) => new()
    {
        Endpoint = Emulator.Endpoint,
        Tokens = new SasTokens(rule, key, Clock),
        Trust = RelayTrust.FromCertificateFile(CertificateFile),
        Clock = Clock,
    };

    public RelayListenerOptions ListenerOptions(EntityPath? entity = null) => new()
    {
        Connection = Connection("listen", ListenKey) with { Clock = TimeProvider.System },
        Entity = entity ?? Hyco,
        ReconnectDelays = [TimeSpan.Zero, TimeSpan.FromMilliseconds(20)],
    };

    /// <summary>Starts a listener and waits until it is registered.</summary>
    public async Task<RelayListener> ListenAsync(RelayHandler handler, Func<RelayListenerOptions, RelayListenerOptions>? change = null)
    {
        var options = ListenerOptions();
        var listener = new RelayListener(change?.Invoke(options) ?? options, handler, NullLogger<RelayListener>.Instance);
        var stop = new CancellationTokenSource();
        _listeners.Add((listener, stop, listener.RunAsync(stop.Token)));
        await listener.WaitUntilOnlineAsync(TestContext.Current.CancellationToken);
        return listener;
    }

    public RelaySender Sender(string rule = "send", string key = SendKey)
    {
        var sender = new RelaySender(Connection(rule, key));
        _owned.Add(sender);
        return sender;
    }

    public Task<RelayReply> PostAsync(byte[] body, string suffix = "") =>
        Sender().SendAsync(Hyco, new RelayCall { Body = body, Suffix = suffix }, TestContext.Current.CancellationToken);

    /// <summary>A plain HTTP client that trusts the certificate and adds nothing.</summary>
    public HttpClient Http()
    {
        var client = new HttpClient(Connection("send", SendKey).NewHandler()) { BaseAddress = new Uri($"https://{Emulator.Endpoint.Authority}/"), Timeout = Timeout.InfiniteTimeSpan };
        _owned.Add(client);
        return client;
    }

    public string Token(string rule, string key, EntityPath entity, DateTimeOffset? expiresAt = null) =>
        SasToken.Create($"http://{Emulator.Endpoint.Host}/{entity}/", rule, key, expiresAt ?? Clock.GetUtcNow().AddHours(1));

    /// <summary>A WebSocket to any address below <c>/$hc/</c>; throws what the relay refused with.</summary>
    public async Task<WebSocket> DialAsync(string pathAndQuery, string? token = null, IReadOnlyList<string>? protocols = null, IReadOnlyDictionary<string, string>? headers = null)
    {
        var dialer = new WebSocketDialer(Connection("send", SendKey) with { Clock = TimeProvider.System });
        _owned.Add(dialer);
        var address = pathAndQuery.StartsWith("wss:", StringComparison.Ordinal) ? pathAndQuery : $"wss://{Emulator.Endpoint.Authority}/$hc/{pathAndQuery}";
        var socket = await dialer.DialAsync(
            new DialRequest(RelayEndpoint.Exact(address), TimeSpan.FromSeconds(60)) { Token = token, SubProtocols = protocols ?? [], Headers = headers ?? new Dictionary<string, string>() },
            TestContext.Current.CancellationToken);
        _owned.Add(socket);
        return socket;
    }

    /// <summary>A listener that a test plays by hand.</summary>
    public async Task<ScriptedListener> ScriptAsync(string id = "") =>
        new(await DialAsync($"{Hyco}?sb-hc-action=listen{(id.Length > 0 ? $"&sb-hc-id={id}" : "")}", Token("listen", ListenKey, Hyco)));

    /// <summary>Waits until nothing is pending in the relay; a leak shows as a failure after half a minute.</summary>
    public async Task BecomesIdleAsync()
    {
        var deadline = Task.Delay(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        while (Emulator.OpenAddresses > 0)
        {
            if (deadline.IsCompleted) Assert.Fail($"{Emulator.OpenAddresses} rendezvous addresses were left behind.");
            await Task.Delay(1, TestContext.Current.CancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var (listener, stop, running) in _listeners)
        {
            await stop.CancelAsync();
            await running;
            listener.Dispose();
            stop.Dispose();
        }
        foreach (var owned in _owned) owned.Dispose();
        await Emulator.DisposeAsync();
    }
}

/// <summary>A control channel in a test's hands.</summary>
internal sealed class ScriptedListener(WebSocket socket)
{
    public WebSocket Socket => socket;

    public async Task<ControlMessage> ReadAsync()
    {
        var message = await SocketMessage.ReadAsync(socket, ControlText.JsonBytesReadMax, TestContext.Current.CancellationToken);
        Assert.Equal(WebSocketMessageType.Text, message.Type);
        return ControlText.Read(message.Bytes)!;
    }

    public async Task<byte[]> ReadBodyAsync()
    {
        var message = await SocketMessage.ReadAsync(socket, 1024 * 1024, TestContext.Current.CancellationToken);
        Assert.Equal(WebSocketMessageType.Binary, message.Type);
        return message.Bytes;
    }

    public Task SendAsync(string text) => socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, true, TestContext.Current.CancellationToken);

    public Task SendBodyAsync(byte[] body) => socket.SendAsync(body, WebSocketMessageType.Binary, true, TestContext.Current.CancellationToken);

    /// <summary>Answers 200 without a body.</summary>
    public Task AnswerAsync(string? requestId, string statusCode = "200") =>
        SendAsync($$"""{"response":{"requestId":"{{requestId}}","statusCode":{{statusCode}},"body":false} }""");
}
