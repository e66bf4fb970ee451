using System.Collections.Concurrent;
using System.Diagnostics;
using Backup.LocalStack.Services;
using Backup.Services.Testing;
using Backup.Standalone.Durable;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Client;
using Microsoft.DurableTask.Worker;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Backup.Benchmarks.Durable;

/// <summary>
/// The durable host on a PostgreSQL that flushes to disk, everything on this machine: throughput of fan-out and of
/// sequences, one large fan-out, latency, and what an idle or sleeping host costs.
/// </summary>
internal sealed class DurableBenchmark : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, long> _firstLines = new(StringComparer.Ordinal);
    private readonly PostgresServer _server;
    private readonly IHost _host;
    private readonly DurableTaskClient _client;

    private DurableBenchmark(PostgresServer server, string connectionString)
    {
        _server = server;
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddSimpleConsole();
        builder.Services.AddDurableTaskWorker(worker => worker.AddTasks(AddTasks).UsePostgres(connectionString));
        builder.Services.AddDurableTaskClient(client => client.UsePostgres(connectionString));
        _host = builder.Build();
        _client = _host.Services.GetRequiredService<DurableTaskClient>();
    }

    public static async Task<int> RunAsync(string[] names)
    {
        using var scratch = new ScratchFolder("bench");
        await using var server = await PostgresServer.StartAsync(
            await LocalPackages.InstallAsync(), new PostgresOptions("benchmark PostgreSQL", scratch.Path) { Durable = true });
        await using var benchmark = new DurableBenchmark(server, await server.CreateDatabaseAsync("durable"));
        await benchmark._host.StartAsync();
        var measurements = new (string Name, Func<Task> Measure)[]
        {
            ("warm-up", () => benchmark.ThroughputAsync("warm-up", "Fan", 50, 10)),
            ("fan", () => benchmark.ThroughputAsync("fan-out: 200 orchestrations of 10 parallel activities", "Fan", 200, 10)),
            ("sequence", () => benchmark.ThroughputAsync("sequence: 200 orchestrations of 10 activities one after another", "Sequence", 200, 10)),
            ("large", () => benchmark.LargeAsync(1_250)),
            ("large", () => benchmark.LargeAsync(2_500)),
            ("large", () => benchmark.LargeAsync(5_000)),
            ("large", () => benchmark.LargeAsync(10_000)),
            ("latency", () => benchmark.LatencyAsync(500)),
            ("idle", () => benchmark.IdleAsync("empty host")),
            ("sleepers", () => benchmark.SleepersAsync(10_000)),
        };
        Console.WriteLine($"processors: {Environment.ProcessorCount}; fsync: {await benchmark.SettingAsync("fsync")}; "
            + $"synchronous_commit: {await benchmark.SettingAsync("synchronous_commit")}; {await benchmark.SettingAsync("server_version")}");
        foreach (var (name, measure) in measurements.Where(m => names.Length == 0 || m.Name == "warm-up" || names.Contains(m.Name)))
        {
            await measure();
        }

        return 0;
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        await ((IAsyncDisposable)_host).DisposeAsync();
    }

    private void AddTasks(DurableTaskRegistry tasks) => tasks
        .AddOrchestratorFunc<int, int>("Fan", async (context, count) =>
            (await Task.WhenAll(Enumerable.Range(0, count).Select(i => context.CallActivityAsync<int>("Same", i)))).Sum())
        .AddOrchestratorFunc<int, int>("Sequence", async (context, count) =>
        {
            var sum = 0;
            for (var i = 0; i < count; i++)
            {
                sum += await context.CallActivityAsync<int>("Same", i);
            }

            return sum;
        })
        .AddOrchestratorFunc<object?, string>("First", (context, _) =>
        {
            _firstLines[context.InstanceId] = Stopwatch.GetTimestamp();
            return Task.FromResult("done");
        })
        .AddOrchestratorFunc<int, string>("Sleep", async (context, hours) =>
        {
            await context.CreateTimer(TimeSpan.FromHours(hours), CancellationToken.None);
            return "awake";
        })
        .AddActivityFunc<int, int>("Same", (_, n) => n);

    private async Task ThroughputAsync(string title, string orchestrator, int orchestrations, int activities)
    {
        using var self = Process.GetCurrentProcess();
        var hostBefore = self.TotalProcessorTime;
        var databaseBefore = DatabaseCpu();
        var began = Stopwatch.GetTimestamp();
        var ids = await Task.WhenAll(Enumerable.Range(0, orchestrations).Select(_ => _client.ScheduleNewOrchestrationInstanceAsync(orchestrator, activities)));
        var results = await Task.WhenAll(ids.Select(id => _client.WaitForInstanceCompletionAsync(id, getInputsAndOutputs: true)));
        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        var expected = Enumerable.Range(0, activities).Sum();
        self.Refresh();
        var host = (self.TotalProcessorTime - hostBefore).TotalMilliseconds / orchestrations;
        var database = (DatabaseCpu() - databaseBefore).TotalMilliseconds / orchestrations;
        if (results.Any(r => r.ReadOutputAs<int>() != expected))
        {
            throw new InvalidOperationException($"{title}: a result is wrong");
        }

        Console.WriteLine($"{title}: {seconds:0.00} s, {orchestrations / seconds:0} orchestrations/s, {orchestrations * activities / seconds:0} activities/s; "
            + $"processor time per orchestration: host {host:0.0} ms, PostgreSQL {database:0.0} ms");
    }

    private async Task LargeAsync(int activities)
    {
        var before = GC.GetTotalAllocatedBytes();
        var idle = GC.GetTotalMemory(forceFullCollection: true);
        var peak = idle;
        await using var sampling = new Timer(_ => peak = Math.Max(peak, GC.GetTotalMemory(false)), null, TimeSpan.Zero, TimeSpan.FromMilliseconds(5));
        var began = Stopwatch.GetTimestamp();
        var id = await _client.ScheduleNewOrchestrationInstanceAsync("Fan", activities);
        var result = await _client.WaitForInstanceCompletionAsync(id, getInputsAndOutputs: true);
        if (result.ReadOutputAs<int>() != Enumerable.Range(0, activities).Sum())
        {
            throw new InvalidOperationException("large fan-out: the result is wrong");
        }

        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        Console.WriteLine($"one orchestration of {activities} activities: {seconds:0.00} s, "
            + $"{(GC.GetTotalAllocatedBytes() - before) / 1048576.0:0} MiB allocated, heap at its peak {(peak - idle) / 1048576.0:0} MiB above the idle one");
    }

    private async Task LatencyAsync(int count)
    {
        var milliseconds = new List<double>();
        for (var i = 0; i < count; i++)
        {
            var id = $"latency-{Guid.NewGuid():N}";
            var began = Stopwatch.GetTimestamp();
            await _client.ScheduleNewOrchestrationInstanceAsync("First", null, new StartOrchestrationOptions(id));
            await _client.WaitForInstanceCompletionAsync(id);
            milliseconds.Add(Stopwatch.GetElapsedTime(began, _firstLines[id]).TotalMilliseconds);
        }

        milliseconds.Sort();
        Console.WriteLine($"schedule to first line, one at a time, {count} times: p50 {milliseconds[count / 2]:0.0} ms, "
            + $"p99 {milliseconds[count * 99 / 100]:0.0} ms, max {milliseconds[^1]:0.0} ms");
    }

    private async Task IdleAsync(string title)
    {
        await Task.Delay(TimeSpan.FromSeconds(3));
        using var self = Process.GetCurrentProcess();
        var hostBefore = self.TotalProcessorTime;
        var databaseBefore = DatabaseCpu();
        var began = Stopwatch.GetTimestamp();
        await Task.Delay(TimeSpan.FromSeconds(15));
        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        self.Refresh();
        Console.WriteLine($"{title}: host {100 * (self.TotalProcessorTime - hostBefore).TotalSeconds / seconds:0.00} % of a processor, "
            + $"PostgreSQL {100 * (DatabaseCpu() - databaseBefore).TotalSeconds / seconds:0.00} %");
    }

    private async Task SleepersAsync(int count)
    {
        var ids = await Task.WhenAll(Enumerable.Range(0, count).Select(i => _client.ScheduleNewOrchestrationInstanceAsync("Sleep", 1 + (i % 24))));
        foreach (var id in ids)
        {
            await _client.WaitForInstanceStartAsync(id);
        }

        await IdleAsync($"{count} sleeping instances");
        await ThroughputAsync($"fan-out beside {count} sleeping instances", "Fan", 200, 10);
    }

    private async Task<string> SettingAsync(string name)
    {
        await using var source = Npgsql.NpgsqlDataSource.Create(_server.ConnectionString());
        await using var command = source.CreateCommand($"SHOW {name}");
        return (string)(await command.ExecuteScalarAsync())!;
    }

    // The server and its children by their parent's id, as the kernel counts them.
    private TimeSpan DatabaseCpu()
    {
        var ticks = 0L;
        foreach (var folder in Directory.EnumerateDirectories("/proc").Where(d => int.TryParse(Path.GetFileName(d), out _)))
        {
            try
            {
                var fields = File.ReadAllText(Path.Combine(folder, "stat"));
                var rest = fields[(fields.LastIndexOf(')') + 2)..].Split(' ');
                if (rest[1] == _server.Child.Id.ToString(System.Globalization.CultureInfo.InvariantCulture))
                {
                    ticks += long.Parse(rest[11], System.Globalization.CultureInfo.InvariantCulture) + long.Parse(rest[12], System.Globalization.CultureInfo.InvariantCulture);
                }
            }
            catch (IOException)
            {
                continue; // The process has ended meanwhile.
            }
        }

        return TimeSpan.FromSeconds(ticks / 100.0);
    }
}
