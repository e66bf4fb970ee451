using System.Globalization;

namespace Backup.Sources.Posix;

/// <summary>What this machine's processors have done up to a moment.</summary>
/// <param name="Processors">How many there are.</param>
/// <param name="Busy">Kernel ticks that they worked, all together.</param>
/// <param name="Total">Kernel ticks that went by, of all of them.</param>
/// <param name="Own">How long they worked for this process.</param>
/// <param name="Timestamp">When, by the clock's timestamps.</param>
internal readonly record struct ProcessorTimes(int Processors, long Busy, long Total, TimeSpan Own, long Timestamp)
{
    private const int IdleField = 3, WaitingField = 4;

    /// <summary>Those after these are parts of the first two.</summary>
    private const int FieldsCounted = 8;

    internal static ProcessorTimes Now(TimeProvider clock) => Read(File.ReadLines("/proc/stat"), Environment.CpuUsage.TotalTime, clock.GetTimestamp());

    /// <summary>From the lines of <c>/proc/stat</c>: first the sum, then each processor.</summary>
    internal static ProcessorTimes Read(IEnumerable<string> lines, TimeSpan own, long timestamp)
    {
        var processors = lines.TakeWhile(line => line.StartsWith("cpu", StringComparison.Ordinal)).ToList();
        var ticks = processors[0].Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(FieldsCounted).Select(field => long.Parse(field, CultureInfo.InvariantCulture)).ToArray();
        return new ProcessorTimes(processors.Count - 1, ticks.Sum() - ticks[IdleField] - ticks[WaitingField], ticks.Sum(), own, timestamp);
    }

    /// <summary>The share of the machine, 0 to 1, that others than this process had since an earlier moment.</summary>
    internal double OthersSince(in ProcessorTimes before, TimeProvider clock)
    {
        if (Total <= before.Total)
            return 0;
        var busy = (Busy - before.Busy) / (double)(Total - before.Total);
        return Math.Clamp(busy - ((Own - before.Own) / (clock.GetElapsedTime(before.Timestamp, Timestamp) * Processors)), 0, 1);
    }
}
