using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Backup.Standalone.Durable.Store;

/// <summary>
/// Writes what many turns, activities and clients have to say in few transactions: while one is being flushed to disk the
/// next one gathers. Each caller learns when its own item is durable.
/// </summary>
/// <remarks>
/// When nobody knows whether a transaction took effect, items that can be repeated safely are repeated until the database
/// answers; the others fail towards their caller, who alone can decide. An item that no transaction accepts is found by
/// writing each alone, and fails alone.
/// </remarks>
internal sealed class GroupCommitter : IAsyncDisposable
{
    private const int ItemsMax = 256;

    private readonly Channel<CommitItem> _queue = Channel.CreateUnbounded<CommitItem>(new UnboundedChannelOptions { SingleReader = true });
    private readonly CancellationTokenSource _stopping = new();
    private readonly DurableDatabase _database;
    private readonly CommitTransaction _transaction;
    private readonly Action<CommitEffects> _announce;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Task _loop;

    public GroupCommitter(DurableDatabase database, Action<CommitEffects> announce, TimeProvider time, ILogger logger)
    {
        _database = database;
        _transaction = new CommitTransaction(database.Durable, database.Channel);
        _announce = announce;
        _time = time;
        _logger = logger;
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Claims what becomes ready for the worker of this process; null while there is none.</summary>
    public ITurnKeeper? Keeper { get; set; }

    /// <summary>Called when nobody knows whether a transaction took effect.</summary>
    public event Action? Doubted;

    /// <summary>Queues an item; await <see cref="CommitItem.Done"/> to know that it is durable.</summary>
    public void Post(CommitItem item)
    {
        if (!_queue.Writer.TryWrite(item))
        {
            item.Fail(new ObjectDisposedException(nameof(GroupCommitter)));
        }
    }

    public async Task<CommitOutcome> CommitAsync(CommitItem item, CancellationToken cancellationToken)
    {
        Post(item);
        return await item.Done.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        // What is queued is still written; only endless repetition against a dead database is cut off.
        _queue.Writer.TryComplete();
        _stopping.CancelAfter(TimeSpan.FromSeconds(5));
        await _loop.ConfigureAwait(false);
        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        var items = new List<CommitItem>();
        while (await _queue.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            ExclusiveAction? exclusive = null;
            while (exclusive is null && items.Count < ItemsMax && _queue.Reader.TryRead(out var item))
            {
                exclusive = item as ExclusiveAction;
                if (exclusive is null)
                {
                    items.Add(item);
                }
            }

            if (items.Count > 0)
            {
                await WriteAsync([.. items]).ConfigureAwait(false);
                items.Clear();
            }

            if (exclusive is not null)
            {
                await RunAsync(exclusive).ConfigureAwait(false);
            }
        }
    }

    private static async Task RunAsync(ExclusiveAction exclusive)
    {
        try
        {
            await exclusive.Action().ConfigureAwait(false);
            exclusive.Finish();
        }
#pragma warning disable CA1031 // It is thrown where the action is awaited.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            exclusive.Fail(exception);
        }
    }

    private static void Finish(CommitItem item)
    {
        if (item is TurnCommit { Outcome: CommitOutcome.Committed } turn)
        {
            turn.Kept.ForEach(claim => turn.OnKept?.Invoke(claim));
        }

        item.Finish();
    }

    private async Task WriteAsync(IReadOnlyList<CommitItem> items)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await _database.FaultAsync("before commit").ConfigureAwait(false);
                var keeper = Keeper;
                var effects = await _transaction.WriteAsync(items, keeper, _stopping.Token).ConfigureAwait(false);
                await AfterCommitAsync(keeper, effects).ConfigureAwait(false);
                foreach (var item in items)
                {
                    Finish(item);
                }

                keeper?.Run(effects.Kept, effects.Now);

                _announce(effects);
                return;
            }
            catch (Exception exception) when (DurableDatabase.IsTransient(exception) && !_stopping.IsCancellationRequested)
            {
                // What PostgreSQL itself has refused did not take effect; anything else may have, also when it was shutting down (57).
                if (exception is not PostgresException refused || refused.SqlState.StartsWith("57", StringComparison.Ordinal))
                {
                    Doubted?.Invoke();
                    items = FailUnrepeatable(items, exception);
                    if (items.Count == 0)
                    {
                        return;
                    }
                }

                if (attempt == 1)
                {
                    StoreLog.CommitRepeated(_logger, items.Count, exception.Message);
                }

                await BackOffAsync(attempt).ConfigureAwait(false);
            }
            catch (Exception exception) when (items.Count > 1 && exception is not OperationCanceledException)
            {
                foreach (var item in items)
                {
                    await WriteAsync([item]).ConfigureAwait(false);
                }

                return;
            }
#pragma warning disable CA1031 // Whatever it is, it is the caller's to handle: it is thrown where the item is awaited.
            catch (Exception exception)
#pragma warning restore CA1031
            {
                foreach (var item in items)
                {
                    item.Fail(exception);
                }

                return;
            }
        }
    }

    private async Task AfterCommitAsync(ITurnKeeper? keeper, CommitEffects effects)
    {
        try
        {
            await _database.FaultAsync("after commit").ConfigureAwait(false);
        }
        catch
        {
            keeper?.Unreserve(effects.Kept.Count);
            throw;
        }
    }

    private static List<CommitItem> FailUnrepeatable(IReadOnlyList<CommitItem> items, Exception exception)
    {
        foreach (var item in items.Where(i => !i.IsRepeatable))
        {
            item.Fail(new StandaloneException(
                StandaloneFault.StoreUnavailable,
                "PostgreSQL dropped the connection while a message was being written; it may or may not have been stored.",
                "Check the database, then look at the instance before sending the message again.",
                exception));
        }

        return [.. items.Where(i => i.IsRepeatable)];
    }

    private async Task BackOffAsync(int attempt)
    {
        var delay = TimeSpan.FromMilliseconds(Math.Min(1_000, 20 * Math.Pow(2, Math.Min(attempt, 8))));
        await Task.Delay(delay, _time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
