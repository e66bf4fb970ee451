using System.Text;
using Shouldly;

namespace Backup.Relay.Tests.Listener;

public sealed class RequestRoundTripTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    [InlineData(65_536, 65_536)]
    [InlineData(65_537, 1)]
    [InlineData(1, 65_537)]
    [InlineData(3_000_000, 3_000_000)]
    public async Task SendAsync_OfAnySize_ArrivesAndReturnsUnchanged(int requestBytes, int responseBytes)
    {
        await using var bed = await RelayTestBed.StartAsync();
        var sent = Bytes(requestBytes, 1);
        var returned = Bytes(responseBytes, 2);
        await bed.ListenAsync(async (request, cancel) =>
        {
            var body = await request.ReadBodyAsync(10_000_000, cancel);
            return body.AsSpan().SequenceEqual(sent) ? RelayResponse.FromBytes(201, returned, "text/x-test") : RelayResponse.Empty(418);
        });
        var reply = (await bed.PostAsync(sent)).ShouldBeOfType<RelayReply.Answered>();
        reply.StatusCode.ShouldBe(201);
        reply.Body.Span.SequenceEqual(returned).ShouldBeTrue();
        await bed.BecomesIdleAsync();
    }

    [Fact]
    public async Task SendAsync_ManyAtOnce_EachGetsItsOwnAnswer()
    {
        await using var bed = await RelayTestBed.StartAsync();
        await bed.ListenAsync(async (request, cancel) => RelayResponse.FromBytes(200, await request.ReadBodyAsync(1_000_000, cancel)));
        var sender = bed.Sender();
        var random = new Random(20260301);
        var bodies = Enumerable.Range(0, 60).Select(n => Bytes(random.Next(0, 200_000), n)).ToArray();
        var replies = await Task.WhenAll(bodies.Select(body => sender.SendAsync(RelayTestBed.Hyco, new RelayCall { Body = body }, Cancel)));
        foreach (var (body, reply) in bodies.Zip(replies)) reply.ShouldBeOfType<RelayReply.Answered>().Body.Span.SequenceEqual(body).ShouldBeTrue();
    }

    [Fact]
    public async Task Target_KeepsSuffixAndQueryWithoutTheProtocolsOwn()
    {
        await using var bed = await RelayTestBed.StartAsync();
        RelayTarget? seen = null;
        await bed.ListenAsync((request, _) =>
        {
            seen = request.Target;
            return Task.FromResult(RelayResponse.Empty(204));
        });
        await bed.PostAsync([1], "/v1/a%20b/%2F?x=1&&sb-hc-secret=1&sb-hc-foo&y=%41");
        seen.ShouldBe(new RelayTarget("/v1/a%20b/%2F", "x=1&&sb-hc-foo&y=%41"));
    }

    [Fact]
    public async Task Handler_ThatThrows_Answers500WithoutDetail()
    {
        await using var bed = await RelayTestBed.StartAsync();
        await bed.ListenAsync((_, _) => throw new InvalidOperationException("secret detail"));
        var reply = (await bed.PostAsync([1])).ShouldBeOfType<RelayReply.Answered>();
        reply.StatusCode.ShouldBe(500);
        Encoding.UTF8.GetString(reply.Body.Span).ShouldBeEmpty();
        reply.Reason.ShouldNotContain("secret");
    }

    [Fact]
    public async Task Handler_ThatIgnoresALargeBody_StillAnswers()
    {
        await using var bed = await RelayTestBed.StartAsync();
        await bed.ListenAsync((_, _) => Task.FromResult(RelayResponse.Empty(413)));
        (await bed.PostAsync(new byte[5_000_000])).ShouldBeOfType<RelayReply.Answered>().StatusCode.ShouldBe(413);
    }

    [Fact]
    public async Task Response_FromAStream_GoesOutWhileItIsMade()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var pipe = new System.IO.Pipelines.Pipe();
        await bed.ListenAsync((_, _) => Task.FromResult(RelayResponse.FromStream(200, pipe.Reader.AsStream())));
        var responding = bed.Http().SendAsync(new HttpRequestMessage(HttpMethod.Get, RelayTestBed.Hyco.Value) { Headers = { { "ServiceBusAuthorization", bed.Token("send", "entity-send-key", RelayTestBed.Hyco) } } }, HttpCompletionOption.ResponseHeadersRead, Cancel);
        var first = Bytes(100_000, 3);
        await pipe.Writer.WriteAsync(first, Cancel);
        var response = await responding;
        var stream = await response.Content.ReadAsStreamAsync(Cancel);
        var read = new byte[first.Length];
        await stream.ReadExactlyAsync(read, Cancel);
        read.AsSpan().SequenceEqual(first).ShouldBeTrue();
        // Only now does the source end: the first part cannot have waited for it.
        await pipe.Writer.CompleteAsync();
        (await stream.ReadAsync(read, Cancel)).ShouldBe(0);
    }

    [Fact]
    public async Task Response_WhoseStreamFails_IsNeverTakenForComplete()
    {
        await using var bed = await RelayTestBed.StartAsync();
        await bed.ListenAsync((_, _) => Task.FromResult(RelayResponse.FromStream(200, new FailingStream(300_000))));
        (await bed.PostAsync([1])).ShouldBeOfType<RelayReply.OutcomeUnknown>();
    }

    [Fact]
    public async Task Listener_WithTooMuchToDo_Answers503()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var entered = new TaskCompletionSource();
        var release = new TaskCompletionSource();
        await bed.ListenAsync(
            async (_, _) =>
            {
                entered.TrySetResult();
                await release.Task;
                return RelayResponse.Empty(200);
            },
            options => options with { ConcurrentRequestsMax = 1 });
        var first = bed.PostAsync([1]);
        await entered.Task;
        (await bed.PostAsync([2])).ShouldBeOfType<RelayReply.Answered>().StatusCode.ShouldBe(503);
        release.SetResult();
        (await first).ShouldBeOfType<RelayReply.Answered>().StatusCode.ShouldBe(200);
    }

    [Fact]
    public async Task Stop_FinishesTheRequestInWork()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var entered = new TaskCompletionSource();
        var release = new TaskCompletionSource();
        var options = bed.ListenerOptions();
        using var stop = new CancellationTokenSource();
        using var listener = new RelayListener(options, async (_, _) =>
        {
            entered.SetResult();
            await release.Task;
            return RelayResponse.Empty(202);
        }, Microsoft.Extensions.Logging.Abstractions.NullLogger<RelayListener>.Instance);
        var running = listener.RunAsync(stop.Token);
        await listener.WaitUntilOnlineAsync(Cancel);
        var reply = bed.PostAsync([1]);
        await entered.Task;
        await stop.CancelAsync();
        running.IsCompleted.ShouldBeFalse();
        release.SetResult();
        (await reply).ShouldBeOfType<RelayReply.Answered>().StatusCode.ShouldBe(202);
        await running;
        listener.Status.State.ShouldBe(RelayListenerState.Stopped);
    }

    internal static byte[] Bytes(int count, int seed)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private sealed class FailingStream(int bytes) : ReadStream
    {
        private int _left = bytes;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_left == 0) throw new IOException("the source broke");
            var count = Math.Min(_left, buffer.Length);
            _left -= count;
            return ValueTask.FromResult(count);
        }
    }
}
