using System.Diagnostics;
using Backup.Relay.Tests.Emulator;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;

namespace Backup.Relay.Tests.Listener;

/// <summary>Half-open connections, slow readers and clocks that are wrong.</summary>
public sealed class RoughWeatherTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("relay-tests-").FullName;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task PausedRelay_IsNoticedByItsMissingPong_AndUsedAgainOnceItGoesOn()
    {
        using var relay = EmulatorRun.Start("--config", await EmulatorRun.ConfigureAsync(_folder, "a", "the-key"));
        try
        {
            var started = (await relay.StandardOutput.ReadLineAsync(Cancel))!;
            var connection = new RelayConnection
            {
                Endpoint = EmulatorRun.EndpointIn(started),
                Tokens = new SasTokens("root", "the-key", TimeProvider.System),
                Trust = EmulatorRun.TrustIn(_folder),
                ConnectTimeout = TimeSpan.FromSeconds(1),
            };
            var entity = EntityPath.Parse("a");
            using var stop = new CancellationTokenSource();
            using var listener = new RelayListener(
                new RelayListenerOptions { Connection = connection, Entity = entity, PingInterval = TimeSpan.FromMilliseconds(100), PongTimeout = TimeSpan.FromMilliseconds(300), ReconnectDelays = [TimeSpan.Zero, TimeSpan.FromMilliseconds(100)] },
                (_, _) => Task.FromResult(RelayResponse.Empty(202)),
                NullLogger<RelayListener>.Instance);
            var running = listener.RunAsync(stop.Token);
            await listener.WaitUntilOnlineAsync(Cancel);
            using var sender = new RelaySender(connection);
            // On a busy machine a pong may come too late by chance: then the channel is another one soon.
            while (await sender.SendAsync(entity, new RelayCall { Timeout = TimeSpan.FromSeconds(5) }, Cancel) is not RelayReply.Answered) { }

            await EmulatorRun.SignalAsync(relay, "STOP");
            // The signal is delivered in its own time: a thread that still runs could answer.
            while (!IsStopped(relay)) await Task.Delay(1, Cancel);
            // The connection is open and silent: the call ends by its own time, and nobody can say what became of it.
            (await sender.SendAsync(entity, new RelayCall { Timeout = TimeSpan.FromSeconds(1) }, Cancel)).ShouldBeOfType<RelayReply.OutcomeUnknown>();
            while (listener.Status.LastFailure is null) await Task.Delay(1, Cancel);
            await EmulatorRun.SignalAsync(relay, "CONT");
            while (listener.Status.State != RelayListenerState.Online) await Task.Delay(1, Cancel);
            RelayReply reply;
            // The relay may still count the dead channel in and choose it: that call's outcome is unknown, and the next one's is not.
            do reply = await sender.SendAsync(entity, new RelayCall { Timeout = TimeSpan.FromSeconds(5) }, Cancel);
            while (reply is not RelayReply.Answered);
            await stop.CancelAsync();
            await running;
        }
        finally
        {
            relay.Kill();
        }
    }

    [Fact]
    public async Task SenderThatDoesNotRead_HoldsTheListenersStreamBack()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var source = new CountingStream(200_000_000);
        await bed.ListenAsync((_, _) => Task.FromResult(RelayResponse.FromStream(200, source)));
        using var http = new HttpClient(new RelayHttpHandler(bed.Connection("send", RelayTestBed.SendKey), RelayTestBed.Hyco));
        using var response = await http.GetAsync($"https://{bed.Emulator.Endpoint.Authority}/{RelayTestBed.Hyco}", HttpCompletionOption.ResponseHeadersRead, Cancel);
        var seen = -1L;
        while (seen != source.Given)
        {
            seen = source.Given;
            await Task.Delay(300, Cancel);
        }
        seen.ShouldBeLessThan(32_000_000);
        // Once it reads, all of it comes.
        var stream = await response.Content.ReadAsStreamAsync(Cancel);
        var buffer = new byte[64 * 1024];
        var (total, read) = (0L, 0);
        while ((read = await stream.ReadAsync(buffer, Cancel)) > 0) total += read;
        total.ShouldBe(200_000_000);
    }

    [Theory]
    [InlineData(-10)]
    [InlineData(10)]
    public async Task ClockThatIsTenMinutesWrong_ChangesNothing(int minutes)
    {
        await using var bed = await RelayTestBed.StartAsync();
        var skewed = new FakeTimeProvider(bed.Clock.GetUtcNow().AddMinutes(minutes));
        await bed.ListenAsync((_, _) => Task.FromResult(RelayResponse.Empty(202)), options => options with { Connection = options.Connection with { Tokens = new SasTokens("listen", RelayTestBed.ListenKey, skewed) } });
        using var sender = new RelaySender(bed.Connection("send", RelayTestBed.SendKey) with { Tokens = new SasTokens("send", RelayTestBed.SendKey, skewed) });
        (await sender.SendAsync(RelayTestBed.Hyco, new RelayCall(), Cancel)).ShouldBeOfType<RelayReply.Answered>().StatusCode.ShouldBe(202);
    }

    [Fact]
    public async Task ClockThatIsAnHourBehind_IsToldApartFromAWrongKey()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var skewed = new FakeTimeProvider(bed.Clock.GetUtcNow().AddMinutes(-61));
        using var sender = new RelaySender(bed.Connection("send", RelayTestBed.SendKey) with { Tokens = new SasTokens("send", RelayTestBed.SendKey, skewed) });
        var failure = (await sender.SendAsync(RelayTestBed.Hyco, new RelayCall(), Cancel)).ShouldBeOfType<RelayReply.NotDelivered>().Failure;
        (failure.Fault, failure.StatusCode).ShouldBe((RelayFault.Unauthorized, 401));
        failure.Message.ShouldContain("token is expired");
        failure.Hint.ShouldContain("clock");
    }

    /// <summary>Whether every thread is stopped: the third field of its stat, after the name in brackets.</summary>
    private static bool IsStopped(Process process) => Directory.EnumerateDirectories($"/proc/{process.Id}/task").All(thread =>
    {
        try
        {
            var stat = File.ReadAllText(Path.Combine(thread, "stat"));
            return stat[stat.LastIndexOf(')') + 2] == 'T';
        }
        catch (IOException)
        {
            // It ended meanwhile: look again.
            return false;
        }
    });

    private sealed class CountingStream(long bytes) : ReadStream
    {
        private long _given;

        public long Given => Interlocked.Read(ref _given);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var count = (int)Math.Min(bytes - Given, buffer.Length);
            Interlocked.Add(ref _given, count);
            return ValueTask.FromResult(count);
        }
    }
}
