namespace Backup.Standalone.Durable.Workers;

/// <summary>How much of one kind of work is in flight in this process, up to a limit.</summary>
/// <param name="max">The limit.</param>
/// <param name="signal">Wakes the loop that claims the work: when there is capacity again, and when nothing is left at the end.</param>
internal sealed class Capacity(int max, WakeSignal signal)
{
    private int _taken;
    private volatile bool _isDraining;

    public int Max => max;

    public int Free => Math.Max(0, max - Volatile.Read(ref _taken));

    /// <summary>Sets capacity aside.</summary>
    /// <returns>How much: none once the end has begun.</returns>
    public int Reserve(int wanted)
    {
        while (wanted > 0 && !_isDraining)
        {
            var taken = Volatile.Read(ref _taken);
            var granted = Math.Min(wanted, max - taken);
            if (granted <= 0)
            {
                return 0;
            }

            if (Interlocked.CompareExchange(ref _taken, taken + granted, taken) == taken)
            {
                return granted;
            }
        }

        return 0;
    }

    /// <summary>Takes capacity for work that is claimed already.</summary>
    public void Take(int count) => Interlocked.Add(ref _taken, count);

    /// <summary>Gives capacity back that the claiming loop itself had and did not need, which need not wake it.</summary>
    public void Return(int count) => Interlocked.Add(ref _taken, -count);

    /// <summary>Gives capacity back.</summary>
    public void Release(int count)
    {
        if (count > 0)
        {
            var left = Interlocked.Add(ref _taken, -count);
            if (left + count >= max || (left == 0 && _isDraining))
            {
                signal.Wake();
            }
        }
    }

    /// <summary>Waits until nothing is in flight; nothing new is let in from now on.</summary>
    public async Task DrainAsync(CancellationToken cancellationToken)
    {
        _isDraining = true;
        while (Volatile.Read(ref _taken) > 0 && !cancellationToken.IsCancellationRequested)
        {
            await signal.WaitAsync(TimeSpan.FromMilliseconds(50), null, CancellationToken.None).ConfigureAwait(false);
        }
    }
}
