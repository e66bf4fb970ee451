namespace Backup.Sources;

/// <summary>What worker threads have done so far, and the reporting of it at a human pace.</summary>
internal sealed class TransferCounters : IDisposable
{
    private static readonly TimeSpan ReportInterval = TimeSpan.FromMilliseconds(250);

    private readonly IProgress<TransferProgress>? _progress;
    private readonly ITimer? _timer;
    private long _bytes;
    private long _items;
    private int _phase;

    internal TransferCounters(IProgress<TransferProgress>? progress, TimeProvider clock)
    {
        _progress = progress;
        if (progress is not null)
            _timer = clock.CreateTimer(static state => ((TransferCounters)state!).Report(), this, ReportInterval, ReportInterval);
    }

    internal long BytesDone => Interlocked.Read(ref _bytes);

    internal long ItemsDone => Interlocked.Read(ref _items);

    /// <summary>Null while unknown.</summary>
    internal long? BytesTotal { get; set; }

    internal void AddBytes(long count) => Interlocked.Add(ref _bytes, count);

    internal void AddItem() => Interlocked.Increment(ref _items);

    internal void Enter(TransferPhase phase)
    {
        Volatile.Write(ref _phase, (int)phase);
        Report();
    }

    internal void Report() =>
        _progress?.Report(new TransferProgress((TransferPhase)Volatile.Read(ref _phase), BytesDone, BytesTotal, ItemsDone));

    public void Dispose()
    {
        _timer?.Dispose();
        Report();
    }
}
