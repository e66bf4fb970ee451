using System.Net.WebSockets;
using Backup.Relay.Emulator;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;

namespace Backup.Relay.Tests.Listener;

public sealed class ReconnectTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public void Ladder_ClimbsToThirtySecondsAndStays_WithAFifthOfJitter()
    {
        var ladder = new ReconnectLadder(ReconnectLadder.Default, new Random(1));
        foreach (var expected in new[] { 0, 1, 2, 5, 10, 30, 30, 30 })
            ladder.Next().TotalSeconds.ShouldBeInRange(expected * 0.8, expected * 1.2);
    }

    [Fact]
    public void Ladder_IsResetOnlyByAConnectionThatLasted()
    {
        var ladder = new ReconnectLadder(ReconnectLadder.Default, new Random(1));
        for (var n = 0; n < 5; n++) ladder.Next();
        ladder.Ended(TimeSpan.FromSeconds(9));
        ladder.Next().TotalSeconds.ShouldBeInRange(24, 36);
        ladder.Ended(TimeSpan.FromSeconds(10));
        ladder.Next().ShouldBe(TimeSpan.Zero);
    }

    [Fact]
    public async Task Listener_WhoseChannelIsClosed_ComesBackAndServes()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ListenAsync((_, _) => Task.FromResult(RelayResponse.Empty(200)));
        for (var round = 0; round < 5; round++)
        {
            var made = listener.Status.ConnectionsMade;
            await bed.Emulator.DisconnectListenersAsync(RelayTestBed.Hyco);
            while (listener.Status.ConnectionsMade == made) await listener.WaitUntilOnlineAsync(Cancel);
            (await bed.PostAsync([1])).ShouldBeOfType<RelayReply.Answered>();
        }
    }

    [Fact]
    public async Task Listener_WhenTheRelayRestarts_ComesBack()
    {
        var first = await RelayTestBed.StartAsync();
        await using var options = first;
        var listener = await first.ListenAsync((_, _) => Task.FromResult(RelayResponse.Empty(200)));
        var port = first.Emulator.Port;
        await first.Emulator.KillAsync();
        await first.Emulator.DisposeAsync();
        await using var second = await RelayTestBed.StartAsync(change: options => options with { Port = port });
        var made = listener.Status.ConnectionsMade;
        while (listener.Status.ConnectionsMade == made) await listener.WaitUntilOnlineAsync(Cancel);
        (await second.PostAsync([1])).ShouldBeOfType<RelayReply.Answered>().StatusCode.ShouldBe(200);
    }

    [Fact]
    public async Task Listener_WhoseRelayWasAwayForLong_IsBackLongBeforeItsNextTry()
    {
        var first = await RelayTestBed.StartAsync();
        await using var _ = first;
        // One long rung: only the probe can end it within the limit.
        var listener = await first.ListenAsync((_, _) => Task.FromResult(RelayResponse.Empty(200)), options => options with { ReconnectDelays = [TimeSpan.Zero, TimeSpan.FromMinutes(10)] });
        var port = first.Emulator.Port;
        await first.Emulator.KillAsync();
        await first.Emulator.DisposeAsync();
        while (listener.Status is not { State: RelayListenerState.Waiting, LastFailure.Fault: RelayFault.ConnectionLost }) await Task.Delay(1, Cancel);
        await using var second = await RelayTestBed.StartAsync(change: options => options with { Port = port });
        await listener.WaitUntilOnlineAsync(Cancel).WaitAsync(TimeSpan.FromMinutes(2), Cancel);
        (await second.PostAsync([1])).ShouldBeOfType<RelayReply.Answered>().StatusCode.ShouldBe(200);
    }

    [Fact]
    public async Task Listener_ThatIsRefused_WaitsItsRungAndNeverProbes()
    {
        var clock = FakeTime.New();
        await using var bed = await RelayTestBed.StartAsync();
        var options = bed.ListenerOptions(EntityPath.Parse("nobody/knows"));
        var tries = new CountingTokens(new SasTokens("listen", RelayTestBed.ListenKey, TimeProvider.System), 2);
        using var stop = new CancellationTokenSource();
        using var listener = new RelayListener(
            options with { Connection = options.Connection with { Tokens = tries, Clock = clock }, ReconnectDelays = [TimeSpan.Zero, TimeSpan.FromSeconds(100)] },
            (_, _) => throw new InvalidOperationException(), NullLogger<RelayListener>.Instance);
        var running = listener.RunAsync(stop.Token);
        while (listener.Status is not { State: RelayListenerState.Waiting, LastFailure.Fault: RelayFault.NotFound }) await Task.Delay(1, Cancel);
        (await clock.DriveAsync(tries.Reached, TimeSpan.FromSeconds(1))).ShouldBeGreaterThanOrEqualTo(TimeSpan.FromSeconds(80));
        await stop.CancelAsync();
        await running;
    }

    [Fact]
    public async Task Listener_OnAnUnknownEntity_SaysSoAndKeepsTrying()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var options = bed.ListenerOptions(EntityPath.Parse("nobody/knows"));
        using var stop = new CancellationTokenSource();
        var tries = new CountingTokens(options.Connection.Tokens, 4);
        using var listener = new RelayListener(options with { Connection = options.Connection with { Tokens = tries } }, (_, _) => throw new InvalidOperationException(), NullLogger<RelayListener>.Instance);
        var running = listener.RunAsync(stop.Token);
        await tries.Reached;
        listener.Status.LastFailure!.Fault.ShouldBe(RelayFault.NotFound);
        listener.Status.LastFailure.Message.ShouldContain("Endpoint does not exist");
        listener.Status.LastFailure.Message.ShouldContain("nobody/knows");
        await stop.CancelAsync();
        await running;
    }

    [Fact]
    public async Task Listener_WhoseTokensFail_KeepsTrying()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var options = bed.ListenerOptions();
        var failures = 3;
        var flaky = new FetchedTokens(_ => failures-- > 0
            ? throw new InvalidOperationException("the credential is not ready")
            : ValueTask.FromResult(new RelayToken(bed.Token("listen", RelayTestBed.ListenKey, RelayTestBed.Hyco), DateTimeOffset.MaxValue, DateTimeOffset.MaxValue)), TimeProvider.System);
        await bed.ListenAsync((_, _) => Task.FromResult(RelayResponse.Empty(200)), _ => options with { Connection = options.Connection with { Tokens = flaky } });
        failures.ShouldBe(-1);
    }

    [Fact]
    public async Task Token_IsRenewedAtThreeQuartersOfItsLife_AndKeepsTheChannel()
    {
        var clock = new WatchedTime();
        using var log = new LogWatch(5108);
        await using var bed = await RelayTestBed.StartAsync(clock, logs: log);
        var tokens = new CountingTokens(new SasTokens("listen", RelayTestBed.ListenKey, clock), 2);
        var options = bed.ListenerOptions();
        var listener = await bed.ListenAsync((_, _) => Task.FromResult(RelayResponse.Empty(200)), _ => options with { Connection = options.Connection with { Tokens = tokens, Clock = clock } });
        await clock.WaitBegunAsync(TimeSpan.FromMinutes(45));
        clock.Advance(TimeSpan.FromMinutes(44));
        tokens.Reached.IsCompleted.ShouldBeFalse();
        clock.Advance(TimeSpan.FromMinutes(1));
        await tokens.Reached;
        await log.Seen;
        // Past the first token's end and grace: only the renewal keeps the channel.
        clock.Advance(TimeSpan.FromMinutes(25));
        using var sender = new RelaySender(bed.Connection("send", RelayTestBed.SendKey) with { Clock = TimeProvider.System });
        (await sender.SendAsync(RelayTestBed.Hyco, new RelayCall { Body = new byte[] { 1 } }, Cancel)).ShouldBeOfType<RelayReply.Answered>();
        listener.Status.ConnectionsMade.ShouldBe(1);
    }

    /// <summary>Completes when an event is logged.</summary>
    private sealed class LogWatch(int eventId) : ILoggerFactory, ILogger
    {
        private readonly TaskCompletionSource _seen = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Seen => _seen.Task;

        public ILogger CreateLogger(string categoryName) => this;

        public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId id, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (id.Id == eventId) _seen.TrySetResult();
        }

        public void Dispose()
        {
            // Nothing is held.
        }
    }

    [Fact]
    public async Task Token_NotRenewed_ClosesTheChannelWith1008FiveMinutesAfterItsEnd()
    {
        var clock = FakeTime.New();
        await using var bed = await RelayTestBed.StartAsync(clock);
        var listener = await bed.ScriptAsync();
        clock.Advance(TimeSpan.FromMinutes(65) - TimeSpan.FromSeconds(1));
        var reply = bed.PostAsync([]);
        await listener.AnswerAsync((await listener.ReadAsync()).Request!.Id);
        (await reply).ShouldBeOfType<RelayReply.Answered>();
        clock.Advance(TimeSpan.FromSeconds(1));
        (await SocketMessage.ReadAsync(listener.Socket, 100, Cancel)).IsClose.ShouldBeTrue();
        listener.Socket.CloseStatus.ShouldBe(WebSocketCloseStatus.PolicyViolation);
        listener.Socket.CloseStatusDescription!.ShouldContain("TrackingId:");
    }

    [Fact]
    public async Task RenewToken_WithATokenThatIsRefused_ClosesWith1008()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ScriptAsync();
        await listener.SendAsync($$"""{"renewToken":{"token":"{{bed.Token("send", RelayTestBed.SendKey, RelayTestBed.Hyco)}}"} }""");
        (await SocketMessage.ReadAsync(listener.Socket, 100, Cancel)).IsClose.ShouldBeTrue();
        listener.Socket.CloseStatus.ShouldBe(WebSocketCloseStatus.PolicyViolation);
    }

    [Fact]
    public async Task Stop_OfTheRelay_ClosesChannelsWith1001()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ScriptAsync();
        var stopping = bed.Emulator.StopAsync();
        (await SocketMessage.ReadAsync(listener.Socket, 100, Cancel)).IsClose.ShouldBeTrue();
        listener.Socket.CloseStatus.ShouldBe(WebSocketCloseStatus.EndpointUnavailable);
        await listener.Socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, Cancel);
        await stopping;
    }

    /// <summary>Passes tokens on and tells when enough were asked for.</summary>
    private sealed class CountingTokens(IRelayTokens inner, int enough) : IRelayTokens
    {
        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _count;

        public Task Reached => _reached.Task;

        public ValueTask<RelayToken> GetAsync(RelayEndpoint endpoint, EntityPath entity, CancellationToken cancel)
        {
            if (Interlocked.Increment(ref _count) >= enough) _reached.TrySetResult();
            return inner.GetAsync(endpoint, entity, cancel);
        }
    }
}
