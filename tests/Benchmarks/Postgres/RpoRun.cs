using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Backup.LocalStack.Services;
using Backup.Services.Testing;
using Npgsql;

namespace Backup.Benchmarks.Postgres;

/// <summary>
/// How much is lost when a database's machine vanishes: the server and the receiver are killed at a random moment under load, the data directory is
/// deleted, and the server is restored from the vault by the commands an operator would use.
/// </summary>
internal static class RpoRun
{
    private const int RunsDefault = 20;
    private const int Writers = 4;
    private static readonly TimeSpan LossMax = TimeSpan.FromSeconds(5);

    internal static async Task<int> RunAsync(string[] arguments)
    {
        var runs = arguments.Length > 0 ? int.Parse(arguments[0], CultureInfo.InvariantCulture) : RunsDefault;
        var seed = arguments.Length > 1 ? int.Parse(arguments[1], CultureInfo.InvariantCulture) : Environment.TickCount;
        Console.WriteLine($"seed {seed}; {Writers} writers, one row per commit; server and receiver killed together");
        Console.WriteLine("run  killed after  commits  lost  oldest lost  recovered in");
        var random = new Random(seed);
        var ages = new List<TimeSpan>();
        for (var run = 1; run <= runs; run++)
        {
            var (line, age) = await OneAsync(TimeSpan.FromSeconds(3 + (random.NextDouble() * 7)));
            ages.Add(age);
            Console.WriteLine($"{run,3}  {line}");
        }

        ages.Sort();
        Console.WriteLine($"age of the oldest lost commit: median {Seconds(ages[ages.Count / 2])}, 90 % {Seconds(ages[(ages.Count * 9 / 10) - (ages.Count % 10 == 0 ? 1 : 0)])}, greatest {Seconds(ages[^1])}");
        return ages[^1] <= LossMax ? 0 : 1;
    }

    private static async Task<(string Line, TimeSpan Age)> OneAsync(TimeSpan load)
    {
        using var scratch = new ScratchFolder("rpo");
        var packages = await LocalPackages.InstallAsync();
        await using var server = await PostgresServer.StartAsync(packages, new PostgresOptions("PostgreSQL", scratch.Combine("server")));
        var keys = (Vault: scratch.Combine("vault"), Restore: scratch.Combine("restore.key"), Backup: scratch.Combine("backup.key"));
        await BackupCtl.RunAsync("vault", "init", "--vault", keys.Vault, "--restore-key-file", keys.Restore, "--backup-key-file", keys.Backup, "--recovery-kit", scratch.Combine("kit.txt"));
        await File.WriteAllTextAsync(scratch.Combine("connection"), server.ConnectionString());
        await ExecuteAsync(server.ConnectionString(), "CREATE TABLE commits (writer int, n bigint, filler text)");
        using var receiver = BackupCtl.Start("wal", "receive", "--asset", "db", "--connection-file", scratch.Combine("connection"), "--base-backup", "--vault", keys.Vault, "--key-file", keys.Backup);
        await BackupCtl.UntilAsync(receiver.StandardError, "Took the base backup");

        var committed = new ConcurrentBag<(int Writer, long N, long At)>();
        using var stop = new CancellationTokenSource();
        var writers = Enumerable.Range(0, Writers).Select(writer => Task.Run(() => WriteAsync(server.ConnectionString(), writer, committed, stop.Token))).ToArray();
        await Task.Delay(load);
        receiver.Kill(entireProcessTree: true);
        await server.KillAsync();
        var killed = Stopwatch.GetTimestamp();
        await stop.CancelAsync();
        await Task.WhenAll(writers);
        Directory.Delete(server.DataFolder, recursive: true);

        var recovery = Stopwatch.StartNew();
        Directory.CreateDirectory(scratch.Combine("restored"));
        server.Account?.TakeOwnership(scratch.Combine("restored"));
        await BackupCtl.RunAsync("restore-postgres", "--asset", "db", "--target", scratch.Combine("restored", "data"), "--vault", keys.Vault, "--key-file", keys.Restore);
        if (server.Account is { } account)
        {
            // The restored server runs as that account, and reads the vault with a key file that must be its own.
            using var hand = Process.Start("chown", ["-R", account.Name, keys.Vault, keys.Restore]);
            await hand.WaitForExitAsync();
        }

        File.Copy(scratch.Combine("server", PostgresServer.PasswordFileName), scratch.Combine("restored", PostgresServer.PasswordFileName));
        await using var restored = await PostgresServer.StartAsync(packages, new PostgresOptions("restored PostgreSQL", scratch.Combine("restored")));
        recovery.Stop();
        var last = await LastAsync(restored.ConnectionString());
        var lost = committed.Where(commit => commit.N > last[commit.Writer]).ToList();
        var age = lost.Count == 0 ? TimeSpan.Zero : Stopwatch.GetElapsedTime(lost.Min(commit => commit.At), killed);
        return ($"{Seconds(load),12}  {committed.Count,7}  {lost.Count,4}  {Seconds(age),11}  {Seconds(recovery.Elapsed),12}", age);
    }

    private static async Task WriteAsync(string database, int writer, ConcurrentBag<(int Writer, long N, long At)> committed, CancellationToken stop)
    {
        try
        {
            await using var connection = new NpgsqlConnection(database + ";Pooling=false");
            await connection.OpenAsync(stop);
            for (var n = 1L; !stop.IsCancellationRequested; n++)
            {
                await using var insert = new NpgsqlCommand("INSERT INTO commits VALUES ($1, $2, repeat(md5($2::text), 8))", connection)
                {
                    Parameters = { new NpgsqlParameter<int> { TypedValue = writer }, new NpgsqlParameter<long> { TypedValue = n } },
                };
                await insert.ExecuteNonQueryAsync(stop);
                committed.Add((writer, n, Stopwatch.GetTimestamp()));
            }
        }
        catch (Exception gone) when (gone is NpgsqlException or IOException or OperationCanceledException)
        {
            // The server was killed: what was committed before counts.
        }
    }

    private static async Task<long[]> LastAsync(string database)
    {
        var last = new long[Writers];
        await using var connection = new NpgsqlConnection(database + ";Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("SELECT writer, max(n) FROM commits GROUP BY writer", connection);
        await using var rows = await command.ExecuteReaderAsync();
        while (await rows.ReadAsync())
            last[rows.GetInt32(0)] = rows.GetInt64(1);
        return last;
    }

    private static async Task ExecuteAsync(string database, string text)
    {
        await using var connection = new NpgsqlConnection(database + ";Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(text, connection);
        await command.ExecuteNonQueryAsync();
    }

    private static string Seconds(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.00} s");
}
