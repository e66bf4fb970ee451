using System.Diagnostics;
using System.Globalization;
using Backup.LocalStack.Services;
using Backup.Services.Testing;
using Npgsql;

namespace Backup.Benchmarks.Postgres;

/// <summary>
/// What protecting a server costs it: pgbench runs all the time, as fast as it can, and windows with and without a receiver of log or a backup take
/// turns. Each window with is held against those without before and after it, so that a machine that gets slower does not count. A backup begins with a
/// checkpoint, after which the server logs whole pages: windows with nothing but a checkpoint show how much of the cost that is.
/// </summary>
internal static class OverheadRun
{
    private const string Usage = "postgres-overhead [streaming|backup] [ROUNDS [SECONDS [SCALE [OPTION…]]]]: 4 rounds, windows of 5 s, pgbench's scale 40, options of backup-postgres (with --spread-checkpoint the server makes a checkpoint every 30 s); pgbench and PostgreSQL are Debian's";

    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(3);

    internal static async Task<int> RunAsync(string[] arguments)
    {
        var what = arguments.Length > 0 ? arguments[0] : "streaming";
        if (what is not ("streaming" or "backup") || !File.Exists(Path.Combine(DebianPrograms.Folder, "pgbench")))
        {
            Console.Error.WriteLine(Usage);
            return 2;
        }

        var (rounds, seconds, scale) = (Number(arguments, 1, 4), Number(arguments, 2, 5), Number(arguments, 3, 40));
        using var bench = await Bench.StartAsync(scale, TimeSpan.FromSeconds(seconds), arguments.Contains("--spread-checkpoint"));
        using var pgbench = bench.Load(TimeSpan.FromHours(1));
        var saying = Task.WhenAll(pgbench.StandardOutput.ReadToEndAsync(), pgbench.StandardError.ReadToEndAsync());
        await Task.Delay(Settling);
        Console.WriteLine($"{what}; scale {scale}, 4 clients; transactions per second without and with; ratio; processor seconds of backupctl");
        var (ratios, copies, checkpoints) = (new List<double>(), new List<double>(), new List<double>());
        var before = await bench.UndisturbedAsync();
        for (var round = 1; round <= rounds; round++)
        {
            if (what == "backup")
            {
                var checkpoint = await bench.RateAsync(bench.CheckpointAsync);
                var between = await bench.UndisturbedAsync();
                checkpoints.Add(Tell("checkpoint alone", before, checkpoint, between, ""));
                before = between;
            }

            var cost = 0.0;
            Rate? copying = null;
            var with = what == "streaming"
                ? await bench.StreamAsync($"db{round}", used => cost = used)
                : await bench.RateAsync(async () => (cost, copying) = await bench.BackUpAsync([.. arguments.Skip(4)]));
            var after = await bench.UndisturbedAsync();
            ratios.Add(Tell(what, before, with, after, string.Create(CultureInfo.InvariantCulture, $"  {cost:0.00} s in {with.Seconds:0.0} s")));
            if (copying is { } part)
                copies.Add(Tell("  checkpoint done", before, part, after, string.Create(CultureInfo.InvariantCulture, $"  in {part.Seconds:0.0} s")));
            before = after;
        }

        pgbench.Kill();
        await saying;
        Console.WriteLine($"median {what} {Spread(ratios)}{(what == "backup" ? $", once its checkpoint is done {Spread(copies)}, checkpoint alone {Spread(checkpoints)}" : "")}");
        return 0;
    }

    private static double Tell(string what, Rate before, Rate with, Rate after, string cost)
    {
        var ratio = with.PerSecond / ((before.PerSecond + after.PerSecond) / 2);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what,-16} {before.PerSecond,6:0} {with.PerSecond,6:0} {after.PerSecond,6:0}  {ratio:0.000}{cost}"));
        return ratio;
    }

    private static string Spread(List<double> ratios)
    {
        ratios.Sort();
        var median = (ratios[(ratios.Count - 1) / 2] + ratios[ratios.Count / 2]) / 2;
        return string.Create(CultureInfo.InvariantCulture, $"{median:0.000} ({ratios[0]:0.000} to {ratios[^1]:0.000})");
    }

    private static int Number(string[] arguments, int place, int otherwise) => arguments.Length > place ? int.Parse(arguments[place], CultureInfo.InvariantCulture) : otherwise;

    private readonly record struct Rate(double PerSecond, double Seconds);

    /// <summary>A server under load, and a vault.</summary>
    private sealed class Bench : IDisposable
    {
        private readonly ScratchFolder _scratch;
        private readonly PostgresServer _server;
        private readonly NpgsqlConnection _asking;
        private readonly TimeSpan _window;

        private Bench(ScratchFolder scratch, PostgresServer server, NpgsqlConnection asking, TimeSpan window) => (_scratch, _server, _asking, _window) = (scratch, server, asking, window);

        internal static async Task<Bench> StartAsync(int scale, TimeSpan window, bool isSpread)
        {
            var scratch = new ScratchFolder("overhead");
            var server = await PostgresServer.StartAsync(await LocalPackages.InstallAsync(), new PostgresOptions("PostgreSQL", scratch.Combine("server"))
            {
                Programs = DebianPrograms.Folder,
                Settings = new Dictionary<string, string> { ["shared_buffers"] = "256MB", ["max_wal_size"] = "8GB", ["checkpoint_timeout"] = isSpread ? "30s" : "1h" },
            });
            var asking = new NpgsqlConnection(server.ConnectionString() + ";Pooling=false");
            await asking.OpenAsync();
            var bench = new Bench(scratch, server, asking, window);
            await File.WriteAllTextAsync(scratch.Combine("connection"), server.ConnectionString());
            await BackupCtl.RunAsync("vault", "init", "--vault", scratch.Combine("vault"), "--restore-key-file", scratch.Combine("restore.key"), "--backup-key-file", scratch.Combine("backup.key"), "--recovery-kit", scratch.Combine("kit.txt"));
            using var fill = bench.PgBench("-i", "-q", "-s", scale.ToString(CultureInfo.InvariantCulture));
            var (output, errors) = (fill.StandardOutput.ReadToEndAsync(), await fill.StandardError.ReadToEndAsync());
            await fill.WaitForExitAsync();
            return fill.ExitCode == 0 ? bench : throw new InvalidOperationException($"pgbench: {errors}{await output}");
        }

        internal Process Load(TimeSpan time) => PgBench("-n", "-c", "4", "-j", "2", "-T", time.TotalSeconds.ToString(CultureInfo.InvariantCulture));

        /// <summary>How many transactions are made per second while something goes on. Each of pgbench's takes one transaction id.</summary>
        internal async Task<Rate> RateAsync(Func<Task> meanwhile)
        {
            var (first, began) = (await TransactionAsync(), Stopwatch.GetTimestamp());
            await meanwhile();
            var (last, seconds) = (await TransactionAsync(), Stopwatch.GetElapsedTime(began).TotalSeconds);
            return new Rate((last - first) / seconds, seconds);
        }

        /// <summary>The rate when what was before has passed.</summary>
        internal async Task<Rate> UndisturbedAsync()
        {
            await Task.Delay(Settling);
            return await RateAsync(() => Task.Delay(_window));
        }

        /// <summary>The rate while log is received and stored, under a name of its own, so that nothing has to be caught up with.</summary>
        internal async Task<Rate> StreamAsync(string asset, Action<double> cost)
        {
            using var receiver = BackupCtl.Start("wal", "receive", "--asset", asset, "--connection-file", _scratch.Combine("connection"), "--json", "--vault", _scratch.Combine("vault"), "--key-file", _scratch.Combine("backup.key"));
            var errors = receiver.StandardError.ReadToEndAsync();
            await BackupCtl.UntilAsync(receiver.StandardOutput, "\"ageSeconds\":");
            var saying = receiver.StandardOutput.ReadToEndAsync();
            await Task.Delay(Settling);
            var used = BackupCtl.ProcessorSeconds(receiver.Id) ?? throw new InvalidOperationException($"The receiver ended: {await errors}");
            var rate = await RateAsync(() => Task.Delay(_window));
            cost(BackupCtl.ProcessorSeconds(receiver.Id)!.Value - used);
            receiver.Kill();
            await Task.WhenAll(saying, errors);
            await receiver.WaitForExitAsync();
            // What nobody receives any more must not be kept.
            await AskAsync("SELECT count(pg_terminate_backend(active_pid)) FROM pg_replication_slots WHERE active");
            while (await AskAsync("SELECT count(*) FROM pg_replication_slots WHERE active") > 0)
                await Task.Delay(20);
            await AskAsync("SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots");
            return rate;
        }

        /// <summary>The part of a backup that is the server's own: a checkpoint, and for as long as a backup takes the whole pages that it makes the log hold.</summary>
        internal async Task CheckpointAsync()
        {
            await using var checkpoint = new NpgsqlCommand("CHECKPOINT", _asking);
            await checkpoint.ExecuteNonQueryAsync();
            await Task.Delay(Settling);
        }

        /// <returns>The processor time it took, and the rate from when its checkpoint was done.</returns>
        internal async Task<(double Cost, Rate Copying)> BackUpAsync(string[] options)
        {
            var backup = BackupCtl.RunAsync(
                ["backup-postgres", "--asset", "db", "--connection-file", _scratch.Combine("connection"), "--vault", _scratch.Combine("vault"), "--key-file", _scratch.Combine("backup.key"), .. options]);
            foreach (var isOver in (bool[])[false, true])
            {
                while (!backup.IsCompleted && await AskAsync("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_backup_start%'") > 0 == isOver)
                    await Task.Delay(10);
            }

            var copying = await RateAsync(() => backup);
            return (await backup, copying);
        }

        public void Dispose()
        {
            _asking.Dispose();
            _server.DisposeAsync().AsTask().GetAwaiter().GetResult();
            _scratch.Dispose();
        }

        private Task<long> TransactionAsync() => AskAsync("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint");

        private async Task<long> AskAsync(string question)
        {
            await using var command = new NpgsqlCommand(question, _asking);
            return (long)(await command.ExecuteScalarAsync())!;
        }

        private Process PgBench(params string[] arguments) => DebianPrograms.Start("pgbench", _server.ConnectionString(), arguments);
    }
}
