using System.Diagnostics;
using System.Globalization;
using Shouldly;

namespace Backup.Relay.Tests.Load;

/// <summary>
/// Measurements, run only when asked for: <c>Backup.Relay.Tests -explicit only -showLiveOutput -class Backup.Relay.Tests.Load.LoadCommands</c>.
/// Sender, relay and listener share this process. They check results and print rates; no rate fails them.
/// </summary>
public sealed class LoadCommands
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory(Explicit = true)]
    [InlineData(1_024, 20_000)]
    [InlineData(100_000, 2_000)]
    public async Task Requests_AtAHundredInFlight(int bytes, int calls)
    {
        await using var bed = await RelayTestBed.StartAsync();
        await bed.ListenAsync(async (request, cancel) => RelayResponse.FromBytes(200, await request.ReadBodyAsync(bytes, cancel)), options => options with { ConcurrentRequestsMax = 200 });
        var sender = bed.Sender();
        var body = new byte[bytes];
        await RunAsync(calls / 10);
        var latencies = await RunAsync(calls);
        Array.Sort(latencies.Each);
        Say($"{bytes} bytes: {calls / latencies.Total.TotalSeconds:0} requests/s at 100 in flight, p50 {latencies.Each[calls / 2].TotalMilliseconds:0.0} ms, p99 {latencies.Each[calls * 99 / 100].TotalMilliseconds:0.0} ms, {latencies.Cpu.TotalMicroseconds / calls:0} us of CPU each");

        async Task<(TimeSpan Total, TimeSpan Cpu, TimeSpan[] Each)> RunAsync(int count)
        {
            var each = new TimeSpan[count];
            var next = -1;
            var cpu = Environment.CpuUsage.TotalTime;
            var whole = Stopwatch.StartNew();
            await Task.WhenAll(Enumerable.Range(0, 100).Select(async _ =>
            {
                for (var n = Interlocked.Increment(ref next); n < count; n = Interlocked.Increment(ref next))
                {
                    var one = Stopwatch.GetTimestamp();
                    (await sender.SendAsync(RelayTestBed.Hyco, new RelayCall { Body = body }, Cancel)).ShouldBeOfType<RelayReply.Answered>();
                    each[n] = Stopwatch.GetElapsedTime(one);
                }
            }));
            return (whole.Elapsed, Environment.CpuUsage.TotalTime - cpu, each);
        }
    }

    [Fact(Explicit = true)]
    public async Task LargeBodies_EachWay()
    {
        const long Bytes = 200_000_000;
        await using var bed = await RelayTestBed.StartAsync();
        await bed.ListenAsync(async (request, cancel) =>
        {
            if (request.Method == "GET") return RelayResponse.FromStream(200, new Zeros(Bytes));
            return RelayResponse.FromBytes(200, BitConverter.GetBytes(await CountAsync(request.Body, cancel)));
        });
        using var http = new HttpClient(new RelayHttpHandler(bed.Connection("send", RelayTestBed.SendKey), RelayTestBed.Hyco)) { Timeout = Timeout.InfiniteTimeSpan };
        var address = new Uri($"https://{bed.Emulator.Endpoint.Authority}/{RelayTestBed.Hyco}");
        using var memory = new MemoryWatch();
        var watch = Stopwatch.StartNew();
        var cpu = Environment.CpuUsage.TotalTime;
        using (var up = await http.PostAsync(address, new StreamContent(new Zeros(Bytes), 64 * 1024), Cancel))
            BitConverter.ToInt64(await up.Content.ReadAsByteArrayAsync(Cancel)).ShouldBe(Bytes);
        Say($"200 MB to the listener: {Bytes / 1e6 / watch.Elapsed.TotalSeconds:0} MB/s, {(Environment.CpuUsage.TotalTime - cpu).TotalSeconds:0.0} s of CPU");
        watch.Restart();
        cpu = Environment.CpuUsage.TotalTime;
        using (var down = await http.GetAsync(address, HttpCompletionOption.ResponseHeadersRead, Cancel))
            (await CountAsync(await down.Content.ReadAsStreamAsync(Cancel), Cancel)).ShouldBe(Bytes);
        Say($"200 MB from the listener: {Bytes / 1e6 / watch.Elapsed.TotalSeconds:0} MB/s, {(Environment.CpuUsage.TotalTime - cpu).TotalSeconds:0.0} s of CPU");
        Say($"managed heap at most {memory.HeapBytesMax / 1e6:0} MB, working set grew by at most {memory.WorkingSetGrowth / 1e6:0} MB (sender, relay and listener together)");
    }

    [Fact(Explicit = true)]
    public async Task FiveHundredReconnects()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var listener = await bed.ListenAsync((_, _) => Task.FromResult(RelayResponse.Empty(200)), options => options with { ReconnectDelays = [TimeSpan.Zero] });
        var sender = bed.Sender();
        var handlesBefore = Process.GetCurrentProcess().HandleCount;
        var watch = Stopwatch.StartNew();
        for (var round = 0; round < 500; round++)
        {
            var made = listener.Status.ConnectionsMade;
            await bed.Emulator.DisconnectListenersAsync(RelayTestBed.Hyco);
            while (listener.Status.ConnectionsMade == made) await listener.WaitUntilOnlineAsync(Cancel);
            (await sender.SendAsync(RelayTestBed.Hyco, new RelayCall { Body = new byte[] { 1 } }, Cancel)).ShouldBeOfType<RelayReply.Answered>();
        }
        listener.Status.ConnectionsMade.ShouldBe(501);
        bed.Emulator.ListenerCount(RelayTestBed.Hyco).ShouldBe(1);
        bed.Emulator.OpenAddresses.ShouldBe(0);
        Say($"500 reconnects, each followed by a request: {watch.Elapsed.TotalSeconds:0.0} s");
        Say($"handles before {handlesBefore}, after {Process.GetCurrentProcess().HandleCount}");
    }

    private static async Task<long> CountAsync(Stream stream, CancellationToken cancel)
    {
        var buffer = new byte[64 * 1024];
        long count = 0;
        int read;
        while ((read = await stream.ReadAsync(buffer, cancel)) > 0) count += read;
        return count;
    }

    private static void Say(FormattableString text) => TestContext.Current.TestOutputHelper!.WriteLine(text.ToString(CultureInfo.InvariantCulture));

    private sealed class Zeros(long bytes) : ReadStream
    {
        private long _left = bytes;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var count = (int)Math.Min(_left, buffer.Length);
            _left -= count;
            return ValueTask.FromResult(count);
        }
    }

    private sealed class MemoryWatch : IDisposable
    {
        private readonly long _before = Environment.WorkingSet;
        private readonly Timer _timer;

        public MemoryWatch() => _timer = new Timer(_ =>
        {
            HeapBytesMax = Math.Max(HeapBytesMax, GC.GetTotalMemory(false));
            WorkingSetGrowth = Math.Max(WorkingSetGrowth, Environment.WorkingSet - _before);
        }, null, 0, 20);

        public long HeapBytesMax { get; private set; }

        public long WorkingSetGrowth { get; private set; }

        public void Dispose() => _timer.Dispose();
    }
}
