using System.Net;
using System.Net.Sockets;
using Shouldly;

namespace Backup.Relay.Tests.Client;

/// <summary>Every call ends in exactly one of the three outcomes.</summary>
public sealed class OutcomeTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task NobodyListens_IsNotDelivered()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var missed = (await bed.PostAsync([1])).ShouldBeOfType<RelayReply.NotDelivered>();
        missed.Failure.Fault.ShouldBe(RelayFault.NotFound);
        missed.Failure.IsTransient.ShouldBeTrue();
        missed.Failure.Message.ShouldContain("There are no listeners connected for the endpoint");
    }

    [Theory]
    [InlineData(502)]
    [InlineData(503)]
    public async Task NobodyListens_AsTheGuideSpellsIt_IsNotDelivered(int status)
    {
        await using var bed = await RelayTestBed.StartAsync(change: options => options with { NoListenerStatus = status });
        (await bed.PostAsync([1])).ShouldBeOfType<RelayReply.NotDelivered>().Failure.IsTransient.ShouldBeTrue();
    }

    [Fact]
    public async Task WrongKey_IsNotDeliveredAndNotTransient()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var reply = await bed.Sender("send", "wrong").SendAsync(RelayTestBed.Hyco, new RelayCall { Body = new byte[] { 1 } }, Cancel);
        var failure = reply.ShouldBeOfType<RelayReply.NotDelivered>().Failure;
        failure.Fault.ShouldBe(RelayFault.Unauthorized);
        failure.IsTransient.ShouldBeFalse();
    }

    [Fact]
    public async Task RelayGone_IsNotDelivered()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var sender = bed.Sender();
        await bed.Emulator.KillAsync();
        (await sender.SendAsync(RelayTestBed.Hyco, new RelayCall { Body = new byte[] { 1 } }, Cancel)).ShouldBeOfType<RelayReply.NotDelivered>().Failure.Fault.ShouldBe(RelayFault.Unreachable);
    }

    [Fact]
    public async Task CertificateNotTrusted_IsNotDelivered()
    {
        await using var bed = await RelayTestBed.StartAsync();
        using var sender = new RelaySender(bed.Connection("send", RelayTestBed.SendKey) with { Trust = RelayTrust.System });
        (await sender.SendAsync(RelayTestBed.Hyco, new RelayCall { Body = new byte[] { 1 } }, Cancel)).ShouldBeOfType<RelayReply.NotDelivered>().Failure.Fault.ShouldBe(RelayFault.Unreachable);
    }

    [Fact]
    public async Task CertificateForAnotherName_IsNotDelivered()
    {
        // Trusted by path, but the name dialled is not in it: trust never switches the name check off.
        await using var bed = await RelayTestBed.StartAsync();
        var elsewhere = RelayEndpoint.Parse($"sb://localhost.localdomain:{bed.Emulator.Port}");
        using var handler = (bed.Connection("send", RelayTestBed.SendKey) with { Endpoint = elsewhere }).NewHandler();
        handler.ConnectCallback = async (_, cancel) =>
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(IPAddress.Loopback, bed.Emulator.Port, cancel);
            return new NetworkStream(socket, ownsSocket: true);
        };
        using var http = new HttpClient(handler);
        var failure = await Should.ThrowAsync<HttpRequestException>(() => http.GetAsync($"https://{elsewhere.Authority}/open", Cancel));
        failure.HttpRequestError.ShouldBe(HttpRequestError.SecureConnectionError);
    }

    [Fact]
    public async Task RelayKilledWhileTheHandlerWorks_IsUnknown()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var entered = new TaskCompletionSource();
        await bed.ListenAsync(async (_, cancel) =>
        {
            entered.SetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, cancel);
            return RelayResponse.Empty(200);
        }, options => options with { DrainTimeout = TimeSpan.FromMilliseconds(1) });
        var reply = bed.PostAsync([1]);
        await entered.Task;
        await bed.Emulator.KillAsync();
        (await reply).ShouldBeOfType<RelayReply.OutcomeUnknown>();
    }

    [Fact]
    public async Task ListenerLostAfterDispatch_IsUnknown()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ScriptAsync();
        var reply = bed.PostAsync([1]);
        (await listener.ReadAsync()).Request.ShouldNotBeNull();
        listener.Socket.Abort();
        var failure = (await reply).ShouldBeOfType<RelayReply.OutcomeUnknown>().Failure;
        failure.StatusCode.ShouldBe(504);
    }

    [Fact]
    public async Task NoAnswerInSixtySeconds_IsUnknown_AndALateAnswerIsDropped()
    {
        var clock = FakeTime.New();
        await using var bed = await RelayTestBed.StartAsync(clock);
        var listener = await bed.ScriptAsync();
        using var sender = new RelaySender(bed.Connection("send", RelayTestBed.SendKey) with { Clock = TimeProvider.System });
        var reply = sender.SendAsync(RelayTestBed.Hyco, new RelayCall { Body = new byte[] { 1 } }, Cancel);
        var request = (await listener.ReadAsync()).Request!;
        (await clock.DriveAsync(reply, TimeSpan.FromSeconds(1))).ShouldBeGreaterThanOrEqualTo(TimeSpan.FromSeconds(60));
        (await reply).ShouldBeOfType<RelayReply.OutcomeUnknown>().Failure.Message.ShouldContain("did not respond in the required time");
        await listener.ReadBodyAsync();
        await listener.AnswerAsync(request.Id);
        // The channel still works: the late answer disturbed nothing.
        var next = sender.SendAsync(RelayTestBed.Hyco, new RelayCall { Method = HttpMethod.Get }, Cancel);
        await listener.AnswerAsync((await listener.ReadAsync()).Request!.Id, "\"207\"");
        (await next).ShouldBeOfType<RelayReply.Answered>().StatusCode.ShouldBe(207);
        await bed.BecomesIdleAsync();
    }

    [Fact]
    public async Task AnswerOf404ByTheListener_IsAnswered()
    {
        await using var bed = await RelayTestBed.StartAsync();
        await bed.ListenAsync((_, _) => Task.FromResult(RelayResponse.Empty(404)));
        (await bed.PostAsync([1])).ShouldBeOfType<RelayReply.Answered>().StatusCode.ShouldBe(404);
    }

    [Fact]
    public async Task AnswerLongerThanWanted_IsUnknown()
    {
        await using var bed = await RelayTestBed.StartAsync();
        await bed.ListenAsync((_, _) => Task.FromResult(RelayResponse.FromBytes(200, new byte[2000])));
        var reply = await bed.Sender().SendAsync(RelayTestBed.Hyco, new RelayCall { Body = new byte[] { 1 }, AnswerBytesMax = 1999 }, Cancel);
        reply.ShouldBeOfType<RelayReply.OutcomeUnknown>().Failure.Fault.ShouldBe(RelayFault.TooLarge);
    }

    [Fact]
    public async Task RelayKilledAtRandom_EveryCallEndsInOneOutcome_AndAnsweredOnesWereHandledOnce()
    {
        const int Calls = 1_000;
        var seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var bed = await RelayTestBed.StartAsync();
        var handled = new System.Collections.Concurrent.ConcurrentDictionary<int, int>();
        await bed.ListenAsync(async (request, cancel) =>
        {
            var body = await request.ReadBodyAsync(1_000_000, cancel);
            handled.AddOrUpdate(BitConverter.ToInt32(body), 1, (_, count) => count + 1);
            return RelayResponse.FromBytes(200, body);
        }, options => options with { ConcurrentRequestsMax = Calls });
        var sender = bed.Sender();
        var killAt = random.Next(Calls);
        var done = 0;
        var replies = await Task.WhenAll(Enumerable.Range(0, Calls).Select(async n =>
        {
            var body = new byte[4 + ((n % 10) == 0 ? 100_000 : 0)];
            BitConverter.TryWriteBytes(body, n);
            var reply = await sender.SendAsync(RelayTestBed.Hyco, new RelayCall { Body = body }, Cancel);
            if (Interlocked.Increment(ref done) == killAt) await bed.Emulator.KillAsync();
            return (n, reply);
        }));
        foreach (var (n, reply) in replies)
        {
            handled.GetValueOrDefault(n).ShouldBeLessThanOrEqualTo(1, $"call {n}, seed {seed}");
            if (reply is RelayReply.Answered answered) BitConverter.ToInt32(answered.Body.Span).ShouldBe(n);
            if (reply is RelayReply.NotDelivered) handled.ShouldNotContainKey(n, $"call {n}, seed {seed}");
        }
    }
}
