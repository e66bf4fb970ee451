namespace Backup.Standalone.Durable.Workers;

/// <summary>Wakes one loop: at once, or at a time if that is earlier than it would have looked by itself.</summary>
internal sealed class WakeSignal(TimeProvider time) : IDisposable
{
    private readonly SemaphoreSlim _semaphore = new(0, 1);
    private readonly Lock _lock = new();
    private DateTime _due = DateTime.MaxValue;

    /// <summary>Wakes the loop now.</summary>
    public void Wake()
    {
        lock (_lock)
        {
            if (_semaphore.CurrentCount == 0)
            {
                _semaphore.Release();
            }
        }
    }

    /// <summary>Wakes the loop at a time, UTC; null or past: now.</summary>
    public void WakeAt(DateTime? at)
    {
        lock (_lock)
        {
            // A loop that sleeps until something earlier looks for itself how long to sleep then.
            if (at is null || at < _due)
            {
                Wake();
            }
        }
    }

    /// <summary>Sleeps until woken, or until a time, or for a while at most.</summary>
    public async Task WaitAsync(TimeSpan longest, DateTime? until, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow().UtcDateTime;
        var due = until is { } at && at < now + longest ? at : now + longest;
        lock (_lock)
        {
            _due = due;
        }

        // A millisecond is added because a wait may end that much early.
        var wait = due > now ? due - now + TimeSpan.FromMilliseconds(1) : TimeSpan.FromMilliseconds(1);
        await _semaphore.WaitAsync(wait, cancellationToken).ConfigureAwait(false);
        lock (_lock)
        {
            _due = DateTime.MaxValue;
        }
    }

    public void Dispose() => _semaphore.Dispose();
}
