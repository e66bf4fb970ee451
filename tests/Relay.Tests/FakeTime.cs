using Microsoft.Extensions.Time.Testing;

namespace Backup.Relay.Tests;

internal static class FakeTime
{
    public static FakeTimeProvider New() => new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));

    /// <summary>Moves the clock in steps until something has happened; the only driver of that clock.</summary>
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
