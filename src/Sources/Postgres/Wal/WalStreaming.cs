using Backup.Vault;
using Npgsql;

namespace Backup.Sources.Postgres.Wal;

/// <summary>How a stream ended.</summary>
internal enum StreamEnd
{
    /// <summary>The server closed it: it stopped, or the timeline ended.</summary>
    Closed,

    /// <summary>The log that was asked for is gone from the server.</summary>
    LogRemoved,

    /// <summary>The slot holds more than allowed, and shall be dropped.</summary>
    SlotTooFarBehind,

    /// <summary>The vault forgot what was stored before: the file has to be sent again.</summary>
    WriterStale,
}

/// <summary>
/// One stream of log into the vault. Three things run at once: reading from the server, storing, and watching the server. Whatever came before the
/// stream ended is stored before this returns.
/// </summary>
internal sealed class WalStreaming : IDisposable
{
    /// <summary>Between the server and the vault.</summary>
    private const int BufferBytesMax = 32 << 20;

    /// <summary>Stored at once without waiting for the time to pass.</summary>
    private const int CommitBytesWanted = 8 << 20;

    /// <summary>Completed files that one snapshot lists in the end.</summary>
    private const int SpanFilesMax = 32;

    private static readonly TimeSpan WatchInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RetryFirst = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RetryMax = TimeSpan.FromSeconds(30);

    private readonly WalConnection _connection;
    private readonly WalReceiverRequest _request;
    private readonly WalWriter _writer;
    private readonly StreamStart _start;
    private readonly WalScanner _scanner;
    private readonly WalBuffer _buffer;
    private readonly RpoClock _rpo;
    private readonly AlertDesk _alerts;
    private readonly TimeProvider _clock;
    private WalEvents _events = new();
    private bool _isDamageTold;
    private Lsn _durable;

    internal WalStreaming(
        WalConnection connection, WalReceiverRequest request, WalWriter writer, WalCluster cluster, StreamStart start, RpoClock rpo, AlertDesk alerts, TimeProvider clock)
    {
        _connection = connection;
        _request = request;
        _writer = writer;
        _start = start;
        _rpo = rpo;
        _alerts = alerts;
        _clock = clock;
        _durable = start.Durable;
        _buffer = new WalBuffer(start.Position, BufferBytesMax, clock);
        _scanner = new WalScanner(start.Timeline, start.Position, cluster.SystemIdentifier!.Value, cluster.SegmentBytes, record => _events.Take(record));
    }

    internal async Task<StreamEnd> RunAsync(CancellationToken cancel)
    {
        _connection.NoteFlushed(_durable);
        _rpo.Stored(_durable);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        using var abandon = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var watching = WatchAsync(stop, abandon);
        var storing = StoreAsync(stop, abandon.Token);
        var end = StreamEnd.Closed;
        try
        {
            await _connection.StreamAsync(_request.SlotName, _start.Timeline, _start.Position, (at, bytes) => TakeAsync(at, bytes, stop.Token), stop.Token);
        }
        catch (PostgresException gone) when (gone.SqlState == PostgresErrorCodes.UndefinedFile)
        {
            end = StreamEnd.LogRemoved;
        }
        catch (PostgresException busy) when (busy.SqlState is PostgresErrorCodes.ObjectInUse or PostgresErrorCodes.ObjectNotInPrerequisiteState or PostgresErrorCodes.UndefinedObject)
        {
            // Another session, perhaps our own of before, still has the slot; or it is gone. The next look at it tells.
        }
        catch (Exception closed) when (closed is NpgsqlException or IOException or OperationCanceledException)
        {
            // Every stream ends like this. Why it did shows when the server is asked again.
        }

        _buffer.Complete();
        var stored = await storing;
        await stop.CancelAsync();
        var watched = await watching;
        cancel.ThrowIfCancellationRequested();
        // The server's disk comes first.
        return watched ?? stored ?? end;
    }

    public void Dispose() => _buffer.Dispose();

    private async Task TakeAsync(Lsn start, ReadOnlyMemory<byte> bytes, CancellationToken cancel)
    {
        if (start != _buffer.End)
            throw new NpgsqlException($"The server sent log at {start} where {_buffer.End} was next.");
        _scanner.Feed(bytes.Span);
        if (_scanner.Problem is { } problem && !_isDamageTold)
        {
            _isDamageTold = true;
            _alerts.Tell(WalAlertKind.LogDamaged, $"The log that the server sends is not sound: {problem}. It is stored all the same; a restore ends at {_scanner.EndOfRecords}.");
        }

        var events = _events;
        _events = new WalEvents();
        await _buffer.AddAsync(bytes, events, cancel);
    }

    /// <returns>Null when everything is stored.</returns>
    private async Task<StreamEnd?> StoreAsync(CancellationTokenSource stop, CancellationToken abandon)
    {
        // Half of the time is for gathering, half for storing.
        var linger = _request.DurableWithin * 0.4;
        try
        {
            while (await _buffer.TakeAsync(linger, CommitBytesWanted, abandon) is { } taken)
            {
                var stretch = new WalStretch
                {
                    Start = taken.Start,
                    Bytes = taken.Bytes,
                    Events = taken.Events,
                    RestorableAt = taken.Events.LastCommit ?? _clock.GetUtcNow(),
                };
                await PersistAsync(() => _writer.CommitAsync(stretch, abandon), abandon);
                if (_writer.End > _durable)
                {
                    _durable = _writer.End;
                    _connection.NoteFlushed(_durable);
                    _rpo.Stored(_durable);
                    await _connection.TellFlushedAsync(abandon);
                }

                if (_writer.SpanFiles >= SpanFilesMax)
                    await PersistAsync(() => _writer.ConsolidateAsync(stretch.RestorableAt, abandon), abandon);
            }

            return null;
        }
        catch (VaultException stale) when (stale.Fault == VaultFault.WriterExpired)
        {
            await stop.CancelAsync();
            return StreamEnd.WriterStale;
        }
        catch (OperationCanceledException) when (abandon.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>Tries until it succeeds: meanwhile the buffer fills, then the server waits.</summary>
    private async Task PersistAsync(Func<Task> store, CancellationToken cancel)
    {
        for (var wait = RetryFirst; ; wait = wait * 2 < RetryMax ? wait * 2 : RetryMax)
        {
            try
            {
                await store();
                _alerts.VaultWorks();
                return;
            }
            catch (VaultException failure) when (failure.Fault != VaultFault.WriterExpired)
            {
                _alerts.VaultFails(failure);
                await Task.Delay(wait, _clock, cancel);
            }
        }
    }

    private async Task<StreamEnd?> WatchAsync(CancellationTokenSource stop, CancellationTokenSource abandon)
    {
        using var timer = new PeriodicTimer(WatchInterval, _clock);
        try
        {
            do
            {
                var asked = _rpo.Now();
                var (end, slotBytes) = await _connection.WatchAsync(_request.SlotName, stop.Token);
                _rpo.Sample(end, asked);
                Report(end, slotBytes);
                if (slotBytes is not { } behind || behind <= _request.SlotBytesMax)
                {
                    _alerts.SlotKeepsUp();
                    continue;
                }

                _alerts.SlotBehind(_request.SlotName, behind, _request.SlotBytesMax);
                if (_request.WhenSlotBehind == SlotPolicy.AlertOnly)
                    continue;
                // What waits for the vault is given up: it is why the slot is behind.
                await stop.CancelAsync();
                await abandon.CancelAsync();
                return StreamEnd.SlotTooFarBehind;
            }
            while (await timer.WaitForNextTickAsync(stop.Token));
        }
        catch (Exception ended) when (ended is OperationCanceledException or SourcesException or ObjectDisposedException)
        {
            // The stream has ended, or the server has: then the stream notices as well.
            Report(null, null);
        }

        return null;
    }

    private void Report(Lsn? server, long? slotBytes) =>
        _alerts.Report(new WalStatus(_start.Timeline, _buffer.End, _durable, server, slotBytes, _rpo.RestorableAt, _rpo.Age));
}
