using System.Diagnostics;
using System.Globalization;
using Backup.Policy;
using Backup.Policy.Retention;

namespace Backup.Benchmarks.Retention;

/// <summary>Answers one question: how long does deciding over many recovery points take?</summary>
internal static class RetentionBenchmark
{
    private const int Rounds = 5;

    /// <summary>Decides over the given number of points (100,000 unless given), one every 15 minutes, each fourth one a base backup with its log.</summary>
    public static Task<int> RunAsync(string[] args)
    {
        var count = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 100_000;
        var now = new DateTimeOffset(2026, 11, 1, 12, 0, 0, TimeSpan.Zero);
        var points = Enumerable.Range(0, count).Select(i => new RetentionPoint(
            $"p{i:D7}", now.AddMinutes(-15 * i), now.AddMinutes(-15 * i), NeedsPoint: i % 4 == 3 ? null : $"p{Math.Min(count - 1, i - (i % 4) + 3):D7}")).ToArray();
        var rule = PolicyDefaults.ServiceClasses[0].Retention;
        var zone = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");
        for (var round = 1; round <= Rounds; round++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            var clock = Stopwatch.StartNew();
            var plan = RetentionDecider.Decide(new AssetName("voids-db"), rule, zone, now, points);
            clock.Stop();
            Console.WriteLine(
                $"round {round}: {count:N0} points, {plan.Deletions.Count():N0} go, {clock.Elapsed.TotalMilliseconds:N0} ms, {(GC.GetTotalAllocatedBytes(precise: true) - before) / 1048576.0:N0} MiB allocated");
        }

        return Task.FromResult(0);
    }
}
