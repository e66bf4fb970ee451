namespace Backup.Sources.Posix;

/// <summary>The processor time of the calling thread, which .NET does not tell.</summary>
internal static unsafe class ThreadTime
{
    private const int ThreadClock = 3;
    private const int NanosecondsPerTick = 100;

    internal static TimeSpan Now()
    {
        Libc.TimeSpec time;
        return Libc.ClockTime(ThreadClock, &time) == 0
            ? new TimeSpan((time.Seconds * TimeSpan.TicksPerSecond) + (time.Nanoseconds / NanosecondsPerTick))
            : throw Errno.Last.Failure("read", "the clock of a thread");
    }
}
