using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using Backup.Relay.Emulator;
using Shouldly;

namespace Backup.Relay.Tests.Emulator;

/// <summary>Several namespaces, and changes of the configuration without a restart.</summary>
public sealed class ReloadTests : IDisposable
{
    private const string Other = "other.test";

    private readonly string _folder = Directory.CreateTempSubdirectory("emulator-tests-").FullName;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Reload_KeepsWhatStays_ClosesWhatIsGoneWith1001_AndServesWhatIsNew()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var staying = await bed.ScriptAsync();
        var leaving = new ScriptedListener(await bed.DialAsync("open?sb-hc-action=listen", bed.Token("listen", RelayTestBed.ListenKey, RelayTestBed.Open)));
        var opening = bed.DialAsync("open?sb-hc-action=connect");
        using var listenerSide = await bed.DialAsync((await leaving.ReadAsync()).Accept!.Address!);
        using var senderSide = await opening;

        var before = RelayTestBed.Options();
        var reloading = bed.Emulator.ReloadAsync([before with
        {
            Entities = [.. before.Entities.Where(entity => entity.Path != RelayTestBed.Open), new EmulatorEntity(EntityPath.Parse("new")) { RequiresClientAuthorization = false }],
        }]);
        foreach (var gone in new[] { leaving.Socket, listenerSide, senderSide })
        {
            (await SocketMessage.ReadAsync(gone, 100, Cancel)).IsClose.ShouldBeTrue();
            gone.CloseStatus.ShouldBe(WebSocketCloseStatus.EndpointUnavailable);
            gone.CloseStatusDescription!.ShouldStartWith("The endpoint was deleted TrackingId:");
            await gone.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, Cancel);
        }
        await reloading;
        var refused = await Should.ThrowAsync<RelayException>(() => bed.DialAsync("open?sb-hc-action=listen", bed.Token("listen", RelayTestBed.ListenKey, RelayTestBed.Open)));
        refused.StatusCode.ShouldBe(404);
        using var added = await bed.DialAsync("new?sb-hc-action=listen", bed.Token("listen", RelayTestBed.ListenKey, EntityPath.Parse("new")));
        var reply = bed.PostAsync([]);
        await staying.AnswerAsync((await staying.ReadAsync()).Request!.Id, "207");
        (await reply).ShouldBeOfType<RelayReply.Answered>().StatusCode.ShouldBe(207);
    }

    [Fact]
    public async Task Reload_WhileAStreamIsStillOpening_ClosesItAsWell()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = new ScriptedListener(await bed.DialAsync("open?sb-hc-action=listen", bed.Token("listen", RelayTestBed.ListenKey, RelayTestBed.Open)));
        var opening = bed.DialAsync("open?sb-hc-action=connect");
        var address = (await listener.ReadAsync()).Accept!.Address!;
        var before = RelayTestBed.Options();
        var reloading = bed.Emulator.ReloadAsync([before with { Entities = [.. before.Entities.Where(entity => entity.Path != RelayTestBed.Open)] }]);
        (await SocketMessage.ReadAsync(listener.Socket, 100, Cancel)).IsClose.ShouldBeTrue();
        await listener.Socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, Cancel);
        await reloading;

        using var listenerSide = await bed.DialAsync(address);
        using var senderSide = await opening;
        foreach (var gone in new[] { listenerSide, senderSide })
        {
            (await SocketMessage.ReadAsync(gone, 100, Cancel)).IsClose.ShouldBeTrue();
            (gone.CloseStatus, gone.CloseStatusDescription![..24]).ShouldBe((WebSocketCloseStatus.EndpointUnavailable, "The endpoint was deleted"));
        }
    }

    [Fact]
    public async Task Reload_OfKeys_CountsForNewTokens_AndLetsConnectionsLiveUntilTheyRenew()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ScriptAsync();
        await bed.Emulator.ReloadAsync([RelayTestBed.Options() with
        {
            Rules = [new EmulatorRule("listen", ["changed"], RelayRights.Listen), new EmulatorRule("send", [RelayTestBed.SendKey], RelayRights.Send)],
        }]);
        (await Should.ThrowAsync<RelayException>(() => bed.ScriptAsync())).StatusCode.ShouldBe(401);
        var reply = bed.PostAsync([]);
        await listener.AnswerAsync((await listener.ReadAsync()).Request!.Id);
        (await reply).ShouldBeOfType<RelayReply.Answered>();
        await listener.SendAsync($$"""{"renewToken":{"token":"{{bed.Token("listen", "changed", RelayTestBed.Hyco)}}"} }""");
        await listener.SendAsync($$"""{"renewToken":{"token":"{{bed.Token("listen", RelayTestBed.ListenKey, RelayTestBed.Hyco)}}"} }""");
        (await SocketMessage.ReadAsync(listener.Socket, 100, Cancel)).IsClose.ShouldBeTrue();
        listener.Socket.CloseStatus.ShouldBe(WebSocketCloseStatus.PolicyViolation);
    }

    [Fact]
    public async Task Namespaces_ShareAPort_AndNothingElse()
    {
        await using var emulator = await RelayEmulator.StartAsync([Namespace("localhost", "key-one"), Namespace(Other, "key-two")], Cancel);
        using var first = Http(emulator, "localhost");
        using var second = Http(emulator, Other);
        (await AskAsync(first, "localhost", "key-one")).ShouldBe((404, "There are no listeners connected for the endpoint"));
        (await AskAsync(second, Other, "key-two")).ShouldBe((404, "There are no listeners connected for the endpoint"));
        (await AskAsync(second, Other, "key-one")).Status.ShouldBe(401);
        (await AskAsync(first, Other, "key-one")).Status.ShouldBe(401);

        // A listener of the second namespace is told an address of the second namespace.
        using var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("ServiceBusAuthorization", Token(Other, "key-two"));
        using var invoker = new HttpMessageInvoker(Handler(emulator, Other));
        await socket.ConnectAsync(new Uri($"wss://{Other}:{emulator.Port}/$hc/same?sb-hc-action=listen"), invoker, Cancel);
        emulator.ListenerCount(EntityPath.Parse("same")).ShouldBe(0);
        var listener = new ScriptedListener(socket);
        var asking = AskAsync(second, Other, "key-two");
        var request = (await listener.ReadAsync()).Request!;
        new Uri(request.Address!).Authority.ShouldBe($"{Other}:{emulator.Port}");
        await listener.AnswerAsync(request.Id, "207");
        (await asking).Status.ShouldBe(207);

        var reloading = emulator.ReloadAsync([Namespace("localhost", "key-one")]);
        (await SocketMessage.ReadAsync(socket, 100, Cancel)).IsClose.ShouldBeTrue();
        socket.CloseStatus.ShouldBe(WebSocketCloseStatus.EndpointUnavailable);
        await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, Cancel);
        await reloading;
        (await AskAsync(first, "localhost", "key-one")).Status.ShouldBe(404);
        // The name is served by the first namespace now, for which this token is not.
        (await AskAsync(second, Other, "key-two")).Status.ShouldBe(401);
    }

    [Fact]
    public async Task Process_ReadsItsFilesAgain_WhenOneChangesAndOnSighup_AndIgnoresWhatIsWrong()
    {
        var log = new List<string>();
        var file = await EmulatorRun.ConfigureAsync(_folder, "a", "first-key");
        using var process = EmulatorRun.Start("--config", file);
        try
        {
            var started = await UntilAsync(process, log, "Listening for relay clients");
            var endpoint = EmulatorRun.EndpointIn(started);
            (await StatusAsync(endpoint, "first-key", "a")).ShouldBe(404);
            (await StatusAsync(endpoint, "first-key", "b")).ShouldBe(404);

            await EmulatorRun.ConfigureAsync(_folder, "b", "first-key");
            await UntilAsync(process, log, "The configuration was read again");
            (await StatusAsync(endpoint, "first-key", "a", "Endpoint does not exist")).ShouldBe(404);
            (await StatusAsync(endpoint, "first-key", "b", "There are no listeners")).ShouldBe(404);

            await File.WriteAllTextAsync(file, "{ half", Cancel);
            await UntilAsync(process, log, "The changed configuration is not used");
            (await StatusAsync(endpoint, "first-key", "b", "There are no listeners")).ShouldBe(404);
            await EmulatorRun.ConfigureAsync(_folder, "b", "first-key");
            await UntilAsync(process, log, "The configuration was read again");

            await File.WriteAllTextAsync(Path.Combine(_folder, "root.key"), "second-key-is-longer", Cancel);
            await UntilAsync(process, log, "The configuration was read again");
            (await StatusAsync(endpoint, "first-key", "b")).ShouldBe(401);
            (await StatusAsync(endpoint, "second-key-is-longer", "b")).ShouldBe(404);

            await EmulatorRun.SignalAsync(process, "HUP");
            await UntilAsync(process, log, "The configuration was read again");
        }
        finally
        {
            process.Kill();
        }
    }

    private static async Task<string> UntilAsync(Process process, List<string> log, string part)
    {
        while (await process.StandardOutput.ReadLineAsync(Cancel) is { } line)
        {
            log.Add(line);
            if (line.Contains(part, StringComparison.Ordinal)) return line;
        }
        throw new InvalidOperationException($"'{part}' was never logged: {string.Join('\n', log)}");
    }

    private async Task<int?> StatusAsync(RelayEndpoint endpoint, string key, string entity, string reason = "")
    {
        using var sender = new RelaySender(new RelayConnection
        {
            Endpoint = endpoint,
            Tokens = new SasTokens("root", key, TimeProvider.System),
            Trust = EmulatorRun.TrustIn(_folder),
        });
        var failure = (await sender.SendAsync(EntityPath.Parse(entity), new RelayCall(), Cancel)).ShouldBeOfType<RelayReply.NotDelivered>().Failure;
        failure.Message.ShouldContain(reason);
        return failure.StatusCode;
    }

    private RelayEmulatorOptions Namespace(string host, string key)
    {
        var folder = Path.Combine(_folder, host);
        var certificate = DevelopmentCertificate.Ensure(folder, TimeProvider.System, host);
        return new RelayEmulatorOptions
        {
            Host = host,
            Certificate = System.Security.Cryptography.X509Certificates.X509Certificate2.CreateFromPemFile(certificate, Path.Combine(folder, DevelopmentCertificate.KeyFileName)),
            Rules = [new EmulatorRule("root", [key], RelayRights.Manage)],
            Entities = [new EmulatorEntity(EntityPath.Parse("same"))],
        };
    }

    private static string Token(string host, string key) => SasToken.Create($"http://{host}/same/", "root", key, TimeProvider.System.GetUtcNow().AddHours(1));

    private static async Task<(int Status, string Reason)> AskAsync(HttpClient http, string host, string key)
    {
        using var message = new HttpRequestMessage(HttpMethod.Get, "same");
        message.Headers.TryAddWithoutValidation("ServiceBusAuthorization", Token(host, key));
        using var response = await http.SendAsync(message, Cancel);
        return ((int)response.StatusCode, response.ReasonPhrase!.Split('.')[0]);
    }

    private HttpClient Http(RelayEmulator emulator, string host) => new(Handler(emulator, host)) { BaseAddress = new Uri($"https://{host}:{emulator.Port}/") };

    /// <summary>Dials the emulator whatever the name, and trusts only that namespace's own certificate: the handshake must choose by name.</summary>
    private SocketsHttpHandler Handler(RelayEmulator emulator, string host)
    {
        var handler = new RelayConnection
        {
            Endpoint = emulator.Endpoint,
            Tokens = new SasTokens("unused", "unused", TimeProvider.System),
            Trust = RelayTrust.FromCertificateFile(Path.Combine(_folder, host, DevelopmentCertificate.CertificateFileName)),
        }.NewHandler();
        handler.ConnectCallback = async (_, cancel) =>
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(IPAddress.Loopback, emulator.Port, cancel);
            return new NetworkStream(socket, ownsSocket: true);
        };
        return handler;
    }
}
