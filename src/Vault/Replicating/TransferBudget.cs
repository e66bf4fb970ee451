namespace Backup.Vault.Replicating;

/// <summary>
/// A token bucket: what was not sent in a second may be sent in the next, but no more is saved up than <see cref="SavedMax"/> of time. The rate
/// may change with the time. Used from any number of threads; they are served in order.
/// </summary>
/// <param name="time">The clock.</param>
/// <param name="rateAt">Bytes per second at a moment; null for no limit.</param>
public sealed class TransferBudget(TimeProvider time, Func<DateTimeOffset, long?> rateAt) : IDisposable
{
    /// <summary>Longer silence is not made up for: a line that was idle all day must not be filled at once.</summary>
    public static readonly TimeSpan SavedMax = TimeSpan.FromSeconds(2);

    /// <summary>A changed rate is noticed this soon.</summary>
    private static readonly TimeSpan StepMax = TimeSpan.FromSeconds(10);

    private readonly SemaphoreSlim _turn = new(1, 1);
    private double _bytes;
    private DateTimeOffset? _filledAt;

    /// <summary>Waits until so many bytes may be sent. More than the bucket holds is let pass as debt, which the next one waits for.</summary>
    public async Task SpendAsync(long bytes, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        await _turn.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            while (Fill() is { } rate && _bytes < 0)
            {
                var debt = TimeSpan.FromSeconds(-_bytes / rate) + TimeSpan.FromMilliseconds(1);
                await Task.Delay(debt < StepMax ? debt : StepMax, time, cancel).ConfigureAwait(false);
            }

            _bytes -= bytes;
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _turn.Dispose();

    /// <summary>The present rate; null when there is none, and then no debt either.</summary>
    private long? Fill()
    {
        var now = time.GetUtcNow();
        var since = _filledAt is { } last && last < now ? now - last : TimeSpan.Zero;
        _filledAt = now;
        if (rateAt(now) is not { } rate)
        {
            _bytes = 0;
            return null;
        }

        _bytes = Math.Min(_bytes + (since.TotalSeconds * rate), rate * SavedMax.TotalSeconds);
        return rate;
    }
}
