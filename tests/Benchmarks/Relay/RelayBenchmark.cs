using System.Diagnostics;
using System.Globalization;
using Backup.AgentApi;
using Backup.Relay;

namespace Backup.Benchmarks.Relay;

/// <summary>
/// The relay's own bars: small requests, sealed orders, large bodies, reconnecting and idle listeners. The emulator, the
/// listener and the sender are three processes on this machine, as in the local run.
/// </summary>
internal static class RelayBenchmark
{
    private const int InFlight = 100;
    private const int SmallBytes = 256;
    private const int Rounds = 5;

    public static async Task<int> RunAsync(string[] names)
    {
        if (names.Length > 0 && names[0] == "listener") return await BenchmarkListener.RunAsync(names[1..]);
        var shapes = new (string Name, Func<RelayProcesses, Task> Measure)[]
        {
            ("requests", processes => RequestsAsync(processes, isSealed: false)),
            ("direct", DirectAsync),
            ("sealed", processes => RequestsAsync(processes, isSealed: true)),
            ("bodies", BodiesAsync),
            ("reconnect", ReconnectAsync),
            ("idle", IdleAsync),
        };
        if (names.FirstOrDefault(name => shapes.All(shape => shape.Name != name)) is { } unknown)
        {
            Console.Error.WriteLine($"'{unknown}' is none of {string.Join(", ", shapes.Select(shape => shape.Name))}");
            return 2;
        }
        Console.WriteLine($"processors: {Environment.ProcessorCount}; {Environment.Version}");
        foreach (var (name, measure) in shapes.Where(shape => names.Length == 0 || names.Contains(shape.Name)))
        {
            await using var processes = await RelayProcesses.StartAsync();
            await measure(processes);
        }
        return 0;
    }

    /// <summary>A hundred requests always under way, each with 256 bytes there and back.</summary>
    private static async Task RequestsAsync(RelayProcesses processes, bool isSealed)
    {
        await processes.StartListenerAsync(isSealed ? "sealed" : "echo");
        using var sender = new RelaySender(processes.Connection("send"));
        using var controlPlane = PrivateIdentity.Load(processes.ControlPlaneFile);
        using var agent = PrivateIdentity.Load(processes.AgentFile);
        var call = isSealed ? SealedCall(sender, new OrderSealer(controlPlane, TimeProvider.System), agent.Public) : EchoCall(sender);
        await MeasureAsync(processes, isSealed ? "sealed orders" : "requests", call);
    }

    /// <summary>The same requests to a plain HTTPS server in the listener's process, with no relay between: what one hop costs here.</summary>
    private static async Task DirectAsync(RelayProcesses processes)
    {
        var port = await processes.StartListenerAsync("direct");
        var connection = processes.Connection("send") with { Endpoint = RelayEndpoint.Parse($"sb://localhost:{port}") };
        using var http = new HttpClient(new RelayHttpHandler(connection, RelayProcesses.Entity)) { BaseAddress = new Uri($"https://localhost:{port}/") };
        var body = new byte[SmallBytes];
        await MeasureAsync(processes, "HTTPS without a relay", async () =>
        {
            using var content = new ByteArrayContent(body);
            using var response = await http.PostAsync("echo", content);
            if ((await response.Content.ReadAsByteArrayAsync()).Length != SmallBytes) throw new InvalidOperationException("A request was not answered as it should.");
        });
    }

    private static async Task MeasureAsync(RelayProcesses processes, string name, Func<Task> call)
    {
        await LoopAsync(call, TimeSpan.FromSeconds(4));
        var rounds = new List<(double Rate, double P50, double P99, string Cpu)>();
        for (var round = 0; round < Rounds; round++)
        {
            var before = processes.CpuTimes();
            var (each, elapsed) = await LoopAsync(call, TimeSpan.FromSeconds(3));
            var used = processes.CpuTimes().Zip(before, (after, start) => (after - start).TotalMicroseconds / each.Length);
            rounds.Add((each.Length / elapsed.TotalSeconds, each[each.Length / 2], each[each.Length * 99 / 100], string.Join(" + ", used.Select(us => us.ToString("0", CultureInfo.InvariantCulture)))));
        }
        var median = rounds.OrderBy(round => round.Rate).ElementAt(Rounds / 2);
        Say($"{name}, {InFlight} in flight, median of {Rounds} rounds: {median.Rate:0}/s (of {rounds.Min(r => r.Rate):0} to {rounds.Max(r => r.Rate):0}), p50 {median.P50:0.0} ms, p99 {median.P99:0.0} ms; us of processor each, emulator + listener + sender: {median.Cpu}");
        var (alone, _) = await LoopAsync(call, TimeSpan.FromSeconds(3), inFlight: 1);
        Say($"one at a time: p50 {alone[alone.Length / 2]:0.00} ms, p99 {alone[alone.Length * 99 / 100]:0.00} ms");
        // Fewer than what saturates the machine: what a request takes when it does not queue for a processor.
        foreach (var rate in new[] { 1_000, 3_000 })
        {
            var paced = await PacedAsync(call, rate, TimeSpan.FromSeconds(4));
            Say($"{rate} requests begun per second: p50 {paced[paced.Length / 2]:0.00} ms, p99 {paced[paced.Length * 99 / 100]:0.00} ms");
        }
    }

    private static Func<Task> EchoCall(RelaySender sender)
    {
        var body = new byte[SmallBytes];
        return async () =>
        {
            if (await sender.SendAsync(RelayProcesses.Entity, new RelayCall { Body = body }, CancellationToken.None) is not RelayReply.Answered { StatusCode: 200, Body.Length: SmallBytes })
                throw new InvalidOperationException("A request was not answered as it should.");
        };
    }

    private static Func<Task> SealedCall(RelaySender sender, OrderSealer sealer, PublicIdentity agent) => async () =>
    {
        var order = sealer.Seal(agent, OrderId.NewRandom(), new HealthQuery());
        if (await sender.SendAsync(RelayProcesses.Entity, new RelayCall { Body = order.Envelope }, CancellationToken.None) is not RelayReply.Answered { StatusCode: 200 } answered
            || sealer.Open(order, answered.Body.Span).Value is null)
            throw new InvalidOperationException("An order was not answered as it should.");
    };

    private static async Task<(double[] Each, TimeSpan Elapsed)> LoopAsync(Func<Task> call, TimeSpan length, int inFlight = InFlight)
    {
        var whole = Stopwatch.StartNew();
        var lists = await Task.WhenAll(Enumerable.Range(0, inFlight).Select(async _ =>
        {
            var mine = new List<double>();
            while (whole.Elapsed < length)
            {
                var begun = Stopwatch.GetTimestamp();
                await call();
                mine.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
            }
            return mine;
        }));
        var elapsed = whole.Elapsed;
        return (lists.SelectMany(list => list).Order().ToArray(), elapsed);
    }

    /// <summary>Begins a request at fixed instants, whatever became of the ones before.</summary>
    private static async Task<double[]> PacedAsync(Func<Task> call, int perSecond, TimeSpan length)
    {
        var running = new List<Task<double>>();
        var whole = Stopwatch.StartNew();
        for (var tick = 0; whole.Elapsed < length; tick++)
        {
            var due = TimeSpan.FromSeconds((double)running.Count / perSecond);
            if (due > whole.Elapsed)
            {
                await Task.Delay(1);
                continue;
            }
            running.Add(OneAsync());
        }
        var each = await Task.WhenAll(running);
        Array.Sort(each);
        return each;

        async Task<double> OneAsync()
        {
            var begun = Stopwatch.GetTimestamp();
            await call();
            return Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
        }
    }

    /// <summary>1 GiB each way, and how much each process grew by meanwhile.</summary>
    private static async Task BodiesAsync(RelayProcesses processes)
    {
        const long Bytes = 1L << 30;
        await processes.StartListenerAsync("bodies");
        using var http = new HttpClient(new RelayHttpHandler(processes.Connection("send"), RelayProcesses.Entity)) { Timeout = Timeout.InfiniteTimeSpan };
        var address = new Uri($"https://{processes.Endpoint.Authority}/{RelayProcesses.Entity}");
        // Everything is loaded and compiled before memory is looked at.
        await UpAsync(http, address, Bytes / 16);
        await DownAsync(http, address, Bytes / 16);
        foreach (var (name, transfer) in new (string, Func<Task>)[] { ("to the listener", () => UpAsync(http, address, Bytes)), ("from the listener", () => DownAsync(http, address, Bytes)) })
        {
            var rates = new List<double>();
            using var memory = new MemoryWatch(processes.All);
            var before = processes.CpuTimes();
            for (var round = 0; round < 3; round++)
            {
                var watch = Stopwatch.StartNew();
                await transfer();
                rates.Add(Bytes / 1e6 / watch.Elapsed.TotalSeconds);
            }
            var used = processes.CpuTimes().Zip(before, (after, start) => (after - start).TotalSeconds / 3);
            Say($"1 GiB {name}: {rates.Order().ElementAt(1):0} MB/s (of {rates.Min():0} to {rates.Max():0}); s of processor, emulator + listener + sender: {string.Join(" + ", used.Select(s => s.ToString("0.0", CultureInfo.InvariantCulture)))}; {memory.Report()}");
        }
    }

    private static async Task UpAsync(HttpClient http, Uri address, long bytes)
    {
        using var content = new StreamContent(new ZeroStream(bytes), 64 * 1024);
        using var response = await http.PostAsync(address, content);
        if (BitConverter.ToInt64(await response.Content.ReadAsByteArrayAsync()) != bytes) throw new InvalidOperationException("Bytes were lost on the way to the listener.");
    }

    private static async Task DownAsync(HttpClient http, Uri address, long bytes)
    {
        using var response = await http.GetAsync(new Uri($"{address}?count={bytes}"), HttpCompletionOption.ResponseHeadersRead);
        await using var stream = await response.Content.ReadAsStreamAsync();
        if (await ZeroStream.CountAsync(stream, CancellationToken.None) != bytes) throw new InvalidOperationException("Bytes were lost on the way from the listener.");
    }

    /// <summary>The emulator is killed, stays away for a while and comes back: how long until a request is answered again.</summary>
    private static async Task ReconnectAsync(RelayProcesses processes)
    {
        await processes.StartListenerAsync("echo");
        using var sender = new RelaySender(processes.Connection("send"));
        foreach (var away in new[] { 0, 5, 20, 40 })
        {
            processes.KillEmulator();
            await Task.Delay(TimeSpan.FromSeconds(away));
            await processes.StartEmulatorAsync();
            var back = Stopwatch.StartNew();
            while (await sender.SendAsync(RelayProcesses.Entity, new RelayCall { Body = new byte[SmallBytes] }, CancellationToken.None) is not RelayReply.Answered) await Task.Delay(5);
            Say($"away for {away} s: answered {back.Elapsed.TotalMilliseconds:0} ms after the emulator was ready again");
        }
    }

    /// <summary>A thousand listeners that wait.</summary>
    private static async Task IdleAsync(RelayProcesses processes)
    {
        const int Count = 1_000;
        var empty = processes.EmulatorMemory();
        using var stop = new CancellationTokenSource();
        var listeners = Enumerable.Range(0, Count).Select(n => processes.NewListener(RelayProcesses.IdleEntity(n))).ToArray();
        var running = listeners.Select(listener => listener.RunAsync(stop.Token)).ToArray();
        await Task.WhenAll(listeners.Select(listener => listener.WaitUntilOnlineAsync(CancellationToken.None)));
        await Task.Delay(TimeSpan.FromSeconds(5));
        Say($"{Count} idle listeners: emulator {processes.EmulatorMemory() / 1e6:0} MB, without them {empty / 1e6:0} MB");
        await stop.CancelAsync();
        await Task.WhenAll(running);
        foreach (var listener in listeners) listener.Dispose();
    }

    private static void Say(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));

    private sealed class MemoryWatch : IDisposable
    {
        private readonly (string Name, int Id, long Before)[] _processes;
        private readonly long[] _max;
        private readonly Timer _timer;

        public MemoryWatch(IEnumerable<(string Name, int Id)> processes)
        {
            _processes = [.. processes.Select(process => (process.Name, process.Id, RelayProcesses.Memory(process.Id)))];
            _max = [.. _processes.Select(process => process.Before)];
            _timer = new Timer(_ => Look(), null, 0, 20);
        }

        public string Report() => string.Join(", ", _processes.Select((process, at) => string.Create(CultureInfo.InvariantCulture, $"{process.Name} {process.Before / 1e6:0} MB, at most {_max[at] / 1e6:0} MB")));

        public void Dispose() => _timer.Dispose();

        private void Look()
        {
            for (var at = 0; at < _processes.Length; at++) _max[at] = Math.Max(_max[at], RelayProcesses.Memory(_processes[at].Id));
        }
    }
}
