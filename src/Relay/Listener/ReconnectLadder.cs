namespace Backup.Relay;

/// <summary>
/// When to try again. A connection that dies young does not reset the ladder: a service that accepts and drops at once would
/// otherwise be called without pause.
/// </summary>
internal sealed class ReconnectLadder(IReadOnlyList<TimeSpan> delays, Random jitter)
{
    public static readonly IReadOnlyList<TimeSpan> Default =
        [TimeSpan.Zero, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(30)];

    /// <summary>A connection this old counts as one that worked.</summary>
    public static readonly TimeSpan SettledAfter = TimeSpan.FromSeconds(10);

    /// <summary>A fifth either way keeps agents that lost the relay together from returning together.</summary>
    private const double JitterShare = 0.2;

    private int _step;

    public TimeSpan Next()
    {
        var delay = delays.Count == 0 ? TimeSpan.Zero : delays[Math.Min(_step, delays.Count - 1)];
        _step++;
        return delay * (1 - JitterShare + (2 * JitterShare * jitter.NextDouble()));
    }

    public void Ended(TimeSpan lived)
    {
        if (lived >= SettledAfter) _step = 0;
    }
}
