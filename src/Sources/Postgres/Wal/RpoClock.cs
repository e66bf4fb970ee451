namespace Backup.Sources.Postgres.Wal;

/// <summary>
/// How old the newest restorable moment is. The server is asked where its log ends; once the vault has the log up to there, everything that was
/// committed when the answer came is safe. Both ends are this machine's clock, so the server's may be wrong.
/// </summary>
/// <param name="time">This machine's clock. Should it be set back, a moment is as old as the time that has really passed since.</param>
internal sealed class RpoClock(TimeProvider time)
{
    /// <summary>More than ten minutes of one sample a second; then every other one is forgotten.</summary>
    private const int SamplesMax = 1024;

    private readonly Lock _lock = new();
    private readonly List<(Lsn End, Moment At)> _samples = [];
    private Lsn _durable;
    private Moment? _restorable;

    /// <summary>Null until the vault has what the server had at some known moment.</summary>
    internal DateTimeOffset? RestorableAt
    {
        get { lock (_lock) return _restorable?.At; }
    }

    /// <summary>How long ago that was.</summary>
    internal TimeSpan? Age
    {
        get { lock (_lock) return _restorable is not { } moment ? null : Longer(time.GetUtcNow() - moment.At, time.GetElapsedTime(moment.Timestamp)); }
    }

    /// <summary>The present moment, to be taken before the server is asked.</summary>
    internal Moment Now() => new(time.GetUtcNow(), time.GetTimestamp());

    /// <summary>At that moment the server's log on disk ended there.</summary>
    internal void Sample(Lsn end, Moment at)
    {
        lock (_lock)
        {
            if (_samples.Count == SamplesMax)
            {
                for (var kept = SamplesMax / 2; kept > 0; kept--)
                    _samples.RemoveAt((kept * 2) - 1);
            }

            _samples.Add((end, at));
            Settle();
        }
    }

    /// <summary>The vault has everything up to there.</summary>
    internal void Stored(Lsn durable)
    {
        lock (_lock)
        {
            _durable = durable;
            Settle();
        }
    }

    /// <summary>The server went back to an earlier position, on another timeline: older samples mean nothing there.</summary>
    internal void Restart()
    {
        lock (_lock)
        {
            _samples.Clear();
            _durable = default;
        }
    }

    private void Settle()
    {
        var safe = _samples.FindLastIndex(sample => sample.End <= _durable);
        if (safe < 0)
            return;
        _restorable = _samples[safe].At;
        _samples.RemoveRange(0, safe + 1);
    }

    private static TimeSpan Longer(TimeSpan a, TimeSpan b) => a > b ? a : b;

    /// <summary>A moment by a clock that may be set, and by one that only runs.</summary>
    internal readonly record struct Moment(DateTimeOffset At, long Timestamp);
}
