using Microsoft.Extensions.Logging;
using Npgsql;

namespace Backup.Standalone.Durable.Store;

/// <summary>
/// Tells this process what has become possible: work that is ready, instances that began or finished. News of this
/// process's own commits come at once, those of others by LISTEN/NOTIFY.
/// </summary>
/// <remarks>A notification may be lost with its connection, so nothing may depend on one: whoever waits also looks now and then.</remarks>
internal sealed class ChangeFeed : IAsyncDisposable
{
    private static readonly TimeSpan ReconnectDelay = TimeSpan.FromMilliseconds(500);

    private readonly Dictionary<string, TaskCompletionSource> _waiters = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stopping = new();
    private readonly DurableDatabase _database;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _starting = new();
    private Task? _listening;
    private volatile bool _isListening;

    public ChangeFeed(DurableDatabase database, TimeProvider time, ILogger logger)
    {
        _database = database;
        _time = time;
        _logger = logger;
    }

    /// <summary>Some orchestration has something to do; the time is when, null: now.</summary>
    public event Action<DateTime?>? OrchestrationsReady;

    public event Action? ActivitiesWaiting;

    /// <summary>Whether news of other processes arrive; else whoever waits has to look more often.</summary>
    public bool IsListening => _isListening;

    /// <summary>Announces what a commit of this process made possible.</summary>
    public void Announce(CommitEffects effects)
    {
        foreach (var instance in effects.Changed)
        {
            Wake(instance);
        }

        if (effects.ReadyAt is { } readyAt)
        {
            OrchestrationsReady?.Invoke(readyAt);
        }

        if (effects.ActivitiesWaiting)
        {
            ActivitiesWaiting?.Invoke();
        }
    }

    /// <summary>A task that ends at the next news of an instance. Take it before looking at the instance, so that none is missed.</summary>
    public Task NextChange(string instanceId)
    {
        EnsureListening();
        lock (_waiters)
        {
            // Everybody who waits for news of an instance shares one source.
            if (!_waiters.TryGetValue(instanceId, out var source))
            {
                _waiters[instanceId] = source = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }

            return source.Task;
        }
    }

    public void EnsureListening()
    {
        lock (_starting)
        {
            _listening ??= Task.Run(ListenAsync);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        if (_listening is not null)
        {
            await _listening.ConfigureAwait(false);
        }

        _stopping.Dispose();
    }

    private void Wake(string instanceId)
    {
        TaskCompletionSource? waiting;
        lock (_waiters)
        {
            _waiters.Remove(instanceId, out waiting);
        }

        waiting?.TrySetResult();
    }

    private string[] Awaited()
    {
        lock (_waiters)
        {
            return [.. _waiters.Keys];
        }
    }

    private async Task ListenAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                await using var connection = await _database.Relaxed.OpenConnectionAsync(_stopping.Token).ConfigureAwait(false);
                connection.Notification += (_, notification) => Receive(notification.Payload);
#pragma warning disable CA2100 // The channel is a validated hub name.
                await using (var command = new NpgsqlCommand($"LISTEN \"{_database.Channel}\"", connection))
#pragma warning restore CA2100
                {
                    await command.ExecuteNonQueryAsync(_stopping.Token).ConfigureAwait(false);
                }

                _isListening = true;

                // Whatever was announced while nobody listened is looked for once.
                OrchestrationsReady?.Invoke(null);
                ActivitiesWaiting?.Invoke();
                while (true)
                {
                    await connection.WaitAsync(_stopping.Token).ConfigureAwait(false);
                }
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception) when (DurableDatabase.IsTransient(exception))
            {
                // Whoever relies on news has to look for itself now, and to notice that the database is away.
                _isListening = false;
                OrchestrationsReady?.Invoke(null);
                ActivitiesWaiting?.Invoke();
                StoreLog.ListenerDown(_logger, exception.Message);
                await Task.Delay(ReconnectDelay, _time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    // Payload: "o" and "a" for orchestrations and activities, then a line per changed instance, or a star for many.
    private void Receive(string payload)
    {
        var lines = payload.Split('\n');
        if (lines[0].Contains('o', StringComparison.Ordinal))
        {
            OrchestrationsReady?.Invoke(null);
        }

        if (lines[0].Contains('a', StringComparison.Ordinal))
        {
            ActivitiesWaiting?.Invoke();
        }

        foreach (var instance in lines.Length > 1 && lines[1] == "*" ? Awaited() : lines.Skip(1))
        {
            Wake(instance);
        }
    }
}
