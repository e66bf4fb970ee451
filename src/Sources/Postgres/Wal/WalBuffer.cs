namespace Backup.Sources.Postgres.Wal;

/// <summary>Log between the server and the vault. Bounded: when the vault is slower, whoever fills it waits, and with it the server.</summary>
internal sealed class WalBuffer(Lsn start, int bytesMax, TimeProvider clock) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _filled = new(0, 1);
    private readonly SemaphoreSlim _emptied = new(0, 1);
    private List<ReadOnlyMemory<byte>> _pieces = [];
    private WalEvents _events = new();
    private Lsn _taken = start;
    private long _bytes;
    private long _firstAt;
    private bool _isCompleted;

    /// <summary>Behind the last byte put in.</summary>
    internal Lsn End
    {
        get { lock (_lock) return new Lsn(_taken.Value + (ulong)_bytes); }
    }

    /// <summary>Puts bytes in, and what happens in them; waits while there is no room.</summary>
    internal async Task AddAsync(ReadOnlyMemory<byte> bytes, WalEvents events, CancellationToken cancel)
    {
        while (true)
        {
            lock (_lock)
            {
                if (_bytes == 0 || _bytes + bytes.Length <= bytesMax)
                {
                    if (_bytes == 0)
                        _firstAt = clock.GetTimestamp();
                    _pieces.Add(bytes);
                    _bytes += bytes.Length;
                    _events.Take(events);
                    Wake(_filled);
                    return;
                }
            }

            await _emptied.WaitAsync(cancel);
        }
    }

    /// <summary>Nothing more will come: what is in need not wait.</summary>
    internal void Complete()
    {
        lock (_lock)
        {
            _isCompleted = true;
            Wake(_filled);
        }
    }

    /// <summary>Everything in it, once the oldest byte has waited for a while or much has come together; null when completed and empty.</summary>
    internal async Task<(Lsn Start, IReadOnlyList<ReadOnlyMemory<byte>> Bytes, WalEvents Events)?> TakeAsync(TimeSpan linger, int bytesWanted, CancellationToken cancel)
    {
        while (true)
        {
            TimeSpan? wait;
            lock (_lock)
            {
                wait = _bytes == 0 ? null : linger - clock.GetElapsedTime(_firstAt);
                if (_bytes > 0 && (wait <= TimeSpan.Zero || _bytes >= bytesWanted || _isCompleted))
                {
                    var taken = (_taken, _pieces, _events);
                    _taken = new Lsn(_taken.Value + (ulong)_bytes);
                    (_pieces, _events, _bytes) = ([], new WalEvents(), 0);
                    Wake(_emptied);
                    return taken;
                }

                if (_isCompleted)
                    return null;
            }

            await _filled.WaitAsync(wait ?? Timeout.InfiniteTimeSpan, cancel);
        }
    }

    public void Dispose()
    {
        _filled.Dispose();
        _emptied.Dispose();
    }

    private static void Wake(SemaphoreSlim signal)
    {
        // Under the lock: one release is enough, whoever wakes looks for himself.
        if (signal.CurrentCount == 0)
            signal.Release();
    }
}
