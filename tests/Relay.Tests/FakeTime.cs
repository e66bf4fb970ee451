using System.Collections.Concurrent;
using Microsoft.Extensions.Time.Testing;

namespace Backup.Relay.Tests;

internal static class FakeTime
{
    public static readonly DateTimeOffset Start = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    public static FakeTimeProvider New() => new(Start);

    /// <summary>Moves the clock in steps until something has happened; the only driver of that clock. Only a lower bound of the time can be asserted: a busy machine makes more steps.</summary>
    /// <returns>How far the clock moved.</returns>
    public static async Task<TimeSpan> DriveAsync(this FakeTimeProvider clock, Task until, TimeSpan step)
    {
        var start = clock.GetUtcNow();
        while (!until.IsCompleted)
        {
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            clock.Advance(step);
            // Lets the timers' continuations run; how long that takes decides only how many steps are made.
            await Task.WhenAny(until, Task.Delay(1));
        }
        return clock.GetUtcNow() - start;
    }
}

/// <summary>A clock that tells when somebody has begun to wait for it: only then may it be moved past that.</summary>
internal sealed class WatchedTime() : FakeTimeProvider(FakeTime.Start)
{
    private readonly ConcurrentDictionary<TimeSpan, TaskCompletionSource> _waits = [];

    /// <summary>Completes when a timer of just this length was begun.</summary>
    public Task WaitBegunAsync(TimeSpan length) => WaitOf(length).Task;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = base.CreateTimer(callback, state, dueTime, period);
        WaitOf(dueTime).TrySetResult();
        return timer;
    }

    private TaskCompletionSource WaitOf(TimeSpan length) => _waits.GetOrAdd(length, _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
}
