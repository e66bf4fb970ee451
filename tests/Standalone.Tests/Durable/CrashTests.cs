using System.Diagnostics;
using System.Globalization;
using Backup.LocalStack.Services;
using Backup.Services.Testing;
using Backup.Standalone.Durable;
using Backup.Standalone.TestHost;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;
using Shouldly;

namespace Backup.Standalone.Tests.Durable;

/// <summary>
/// Real worker processes, killed, paused and cut off. Short by default; <c>BACKUP_CRASH_SECONDS</c> and
/// <c>BACKUP_CRASH_INSTANCES</c> make it as long as one likes. The seed is printed.
/// </summary>
public sealed class CrashTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Storm = TimeSpan.FromSeconds(Number("BACKUP_CRASH_SECONDS", 8));
    private static readonly int Instances = Number("BACKUP_CRASH_INSTANCES", 140);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90) + (Storm * 3);

    [Fact]
    public async Task WorkersKilledInTurn_EveryInstanceCompletesRight()
    {
        await using var site = await Site.StartAsync(output);
        var random = site.Random;
        var workers = new[] { await site.StartWorkerAsync(), await site.StartWorkerAsync() };
        var ids = await site.ScheduleAsync(Instances);

        var began = Stopwatch.GetTimestamp();
        var kills = 0;
        while (Stopwatch.GetElapsedTime(began) < Storm)
        {
            await Task.Delay(random.Next(200, 800));
            var victim = kills++ % 2;
            workers[victim].Kill();
            workers[victim] = await site.StartWorkerAsync();

            // There is always something to kill a worker in.
            ids.AddRange(await site.ScheduleAsync(Instances / 10));
        }

        await site.CheckAsync(ids);
        output.WriteLine($"{kills} kills, {ids.Count} instances");
        kills.ShouldBeGreaterThan(2);
    }

    [Fact]
    public async Task PostgresKilledAndConnectionsCut_EveryInstanceCompletesRight()
    {
        await using var site = await Site.StartAsync(output);
        await site.StartWorkerAsync();
        await site.StartWorkerAsync();
        var ids = await site.ScheduleAsync(Instances);

        await Task.Delay(site.Random.Next(100, 400));
        await site.Server.KillAsync();
        await site.Server.StartAgainAsync();
        for (var i = 0; i < 3; i++)
        {
            await Task.Delay(site.Random.Next(100, 400));
            await site.CutConnectionsAsync();
        }

        await site.CheckAsync(ids);
    }

    [Fact]
    public async Task PausedWorker_ComesBackAfterItsLease_AndItsLateWritesAreRefused()
    {
        await using var site = await Site.StartAsync(output, leaseSeconds: 2);
        var paused = await site.StartWorkerAsync();
        var ids = await site.ScheduleAsync(Instances / 2);
        await Task.Delay(site.Random.Next(50, 300));
        paused.Pause();
        var other = await site.StartWorkerAsync();

        await site.UntilAsync("SELECT count(*) = 1 FROM hub_durablehub.workers");
        paused.Resume();
        await site.UntilAsync("SELECT count(*) = 2 FROM hub_durablehub.workers");

        await site.CheckAsync(ids);
        other.HasExited.ShouldBeFalse();
        paused.HasExited.ShouldBeFalse();
    }

    private static int Number(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : otherwise;

    /// <summary>A PostgreSQL server of its own, a client, and worker processes.</summary>
    private sealed class Site : IAsyncDisposable
    {
        private readonly ScratchFolder _scratch = new("crash");
        private readonly List<Worker> _workers = [];
        private string _connectionString = string.Empty;
        private double _lease;
        private IHost _client = null!;

        public PostgresServer Server { get; private set; } = null!;

        public Random Random { get; private set; } = null!;

        public static async Task<Site> StartAsync(ITestOutputHelper output, double leaseSeconds = 4)
        {
            var seed = Number("BACKUP_CRASH_SEED", Environment.TickCount & 0xFFFF);
            output.WriteLine($"seed {seed}");
            var site = new Site { Random = new Random(seed), _lease = leaseSeconds };
            site.Server = await PostgresServer.StartAsync(
                await LocalPackages.InstallAsync(), new PostgresOptions("crash test PostgreSQL", site._scratch.Path) { Durable = true });
            site._connectionString = await site.Server.CreateDatabaseAsync("crash");
            var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
            builder.Services.AddDurableTaskClient(client => client.UsePostgres(site._connectionString));
            site._client = builder.Build();
            return site;
        }

        public async Task<Worker> StartWorkerAsync()
        {
            var worker = await Worker.StartAsync(_connectionString, _lease);
            _workers.Add(worker);
            return worker;
        }

        public async Task<List<(string Id, string Shape, int Seed)>> ScheduleAsync(int count)
        {
            var client = _client.Services.GetRequiredService<DurableTaskClient>();
            var plan = Enumerable.Range(0, count).Select(i => (Shape: Shapes.Names[i % Shapes.Names.Length], Seed: Random.Next(1_000_000))).ToList();
            return [.. await Task.WhenAll(plan.Select(async p =>
                (await client.ScheduleNewOrchestrationInstanceAsync(p.Shape, Shapes.Input(p.Shape, p.Seed)), p.Shape, p.Seed)))];
        }

        public async Task CheckAsync(List<(string Id, string Shape, int Seed)> instances)
        {
            var client = _client.Services.GetRequiredService<DurableTaskClient>();
            using var limit = new CancellationTokenSource(Limit);
            foreach (var (id, shape, seed) in instances)
            {
                var result = await RetryAsync(() => client.WaitForInstanceCompletionAsync(id, true, limit.Token), limit.Token);
                result.RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Completed, $"{shape} {seed}: {result.FailureDetails}");
                result.ReadOutputAs<long>().ShouldBe(Shapes.Expected(shape, seed), $"{shape} {seed}");
            }

            // Nothing is left over: no claim, no message, no lock of an entity of any of them.
            await UntilAsync("""
                SELECT (SELECT count(*) FROM hub_durablehub.dispatch WHERE instance_id NOT LIKE '@%') + (SELECT count(*) FROM hub_durablehub.inbox)
                     + (SELECT count(*) FROM hub_durablehub.instances WHERE instance_id LIKE '@%' AND custom_status IS NOT NULL) = 0
                """);
        }

        public async Task CutConnectionsAsync()
        {
            await using var source = NpgsqlDataSource.Create(Server.ConnectionString() + ";Pooling=false");
            await using var command = source.CreateCommand(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'backup-standalone/%'");
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            while ((long)(await command.ExecuteScalarAsync(limit.Token))! == 0)
            {
                await Task.Delay(10, limit.Token);
            }
        }

        public async Task UntilAsync(string condition)
        {
            using var limit = new CancellationTokenSource(Limit);
            await using var source = NpgsqlDataSource.Create(_connectionString + ";Pooling=false");
            await using var command = source.CreateCommand(condition);
            while (!(bool)(await command.ExecuteScalarAsync(limit.Token))!)
            {
                await Task.Delay(50, limit.Token);
            }
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var worker in _workers)
            {
                worker.Dispose();
            }

            await ((IAsyncDisposable)_client).DisposeAsync();
            await Server.DisposeAsync();
            _scratch.Dispose();
        }

        private static async Task<T> RetryAsync<T>(Func<Task<T>> query, CancellationToken cancellationToken)
        {
            while (true)
            {
                try
                {
                    return await query();
                }
                catch (Exception exception) when (exception is NpgsqlException or IOException && !cancellationToken.IsCancellationRequested)
                {
                    await Task.Delay(50, cancellationToken);
                }
            }
        }
    }

    /// <summary>A worker process.</summary>
    private sealed class Worker : IDisposable
    {
        private readonly Process _process;

        private Worker(Process process) => _process = process;

        public bool HasExited => _process.HasExited;

        public static async Task<Worker> StartAsync(string connectionString, double leaseSeconds)
        {
            var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Backup.Standalone.TestHost"))
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            start.ArgumentList.Add(leaseSeconds.ToString(CultureInfo.InvariantCulture));
            start.Environment["ConnectionStrings__Durable"] = connectionString;
            var process = Process.Start(start)!;
            _ = process.StandardError.ReadToEndAsync();
            using var limit = new CancellationTokenSource(Limit);
            while (await process.StandardOutput.ReadLineAsync(limit.Token) is { } line)
            {
                if (line == "worker ready")
                {
                    _ = process.StandardOutput.ReadToEndAsync();
                    return new Worker(process);
                }
            }

            throw new InvalidOperationException("The worker process ended before it was ready.");
        }

        public void Kill()
        {
            _process.Kill();
            _process.WaitForExit();
        }

        public void Pause() => Signal("STOP");

        public void Resume() => Signal("CONT");

        public void Dispose()
        {
            if (!_process.HasExited)
            {
                Signal("CONT");
                Kill();
            }

            _process.Dispose();
        }

        private void Signal(string name)
        {
            using var kill = Process.Start("kill", [$"-{name}", _process.Id.ToString(CultureInfo.InvariantCulture)]);
            kill.WaitForExit();
        }
    }
}
