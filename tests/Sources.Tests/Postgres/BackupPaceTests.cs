using System.Diagnostics;
using Backup.Sources.Posix;
using Backup.Sources.Postgres;
using Npgsql;
using Shouldly;

namespace Backup.Sources.Tests.Postgres;

public sealed class BackupPaceTests(ClusterFixture cluster)
{
    [Theory]
    [InlineData(0, 0.9, 1)]
    [InlineData(1, 0, 0.8)]
    [InlineData(1, 0.5, 0.3)]
    [InlineData(2, 0.7, 0.1)]
    [InlineData(4, 0.85, 0.05)]
    [InlineData(4, 1, 0.05)]
    public void ShareOf_IsWhatOthersLeaveLessAReserve(long clients, double others, double share) => BackupPace.ShareOf(clients, others).ShouldBe(share, 1e-9);

    [Fact]
    public void ProcessorTimes_TellWhatOthersHad()
    {
        // User 100 and guest within it, system 40, idle 700, waiting 100, interrupts 10 and 20, stolen 30; then 100 ticks more, 60 of them busy, half a second ours.
        string[] first = ["cpu  100 0 40 700 100 10 20 30 50 0", "cpu0 50 0 20 350 50 5 10 15 0 0", "cpu1 50 0 20 350 50 5 10 15 0 0", "intr 1 2 3"];
        string[] then = ["cpu  150 0 50 735 105 10 20 30 80 0", "cpu0 0 0 0 0 0 0 0 0 0 0", "cpu1 0 0 0 0 0 0 0 0 0 0", "intr 1 2 3"];
        var before = ProcessorTimes.Read(first, TimeSpan.FromSeconds(1), 0);
        var after = ProcessorTimes.Read(then, TimeSpan.FromSeconds(1.5), TimeProvider.System.TimestampFrequency);
        before.ShouldBe(new ProcessorTimes(2, 200, 1000, TimeSpan.FromSeconds(1), 0));
        after.OthersSince(before, TimeProvider.System).ShouldBe(0.6 - 0.25, 1e-9);
        before.OthersSince(after, TimeProvider.System).ShouldBe(0);
    }

    [Fact]
    public async Task Yield_WhileAClientIsAtWork_PausesUntilThePaceEnds()
    {
        var cancel = TestContext.Current.CancellationToken;
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        await using var client = new NpgsqlConnection(cluster.Server.ConnectionString() + ";Pooling=false");
        await client.OpenAsync(cancel);
        await using var sleep = new NpgsqlCommand("SELECT pg_sleep(600)", client) { CommandTimeout = 0 };
        var sleeping = sleep.ExecuteNonQueryAsync(enough.Token);
        await using var session = await BackupSession.OpenAsync(cluster.Server.ConnectionString(), cancel);
        // So many workers that each may have a hundredth of a processor at most: 10 ms of work, one second.
        await using var pace = new BackupPace(session, Environment.ProcessorCount * 90, TimeProvider.System, cancel);
        pace.Begin();
        await Task.Factory.StartNew(() => UntilPaused(pace), cancel, TaskCreationOptions.LongRunning, TaskScheduler.Default).WaitAsync(TimeSpan.FromMinutes(2), cancel);

        await pace.EndAsync();
        (await session.CountClientsAsync(cancel)).ShouldBeGreaterThan(0);
        await enough.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => sleeping);
    }

    private static void UntilPaused(BackupPace pace)
    {
        for (TimeSpan paused = default; paused < TimeSpan.FromSeconds(0.5);)
        {
            for (var began = ThreadTime.Now(); ThreadTime.Now() - began < TimeSpan.FromMilliseconds(10);)
                Thread.SpinWait(100);
            var before = Stopwatch.GetTimestamp();
            pace.Yield();
            paused = Stopwatch.GetElapsedTime(before);
        }
    }
}
