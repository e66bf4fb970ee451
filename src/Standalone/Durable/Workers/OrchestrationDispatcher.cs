using System.Diagnostics;
using Backup.Standalone.Durable.Entities;
using Backup.Standalone.Durable.Execution;
using Backup.Standalone.Durable.Store;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.Logging;

namespace Backup.Standalone.Durable.Workers;

/// <summary>Claims instances and entities that have something to do, runs their turns, commits them.</summary>
/// <remarks>The file is long because claiming, running, committing and giving up are one life of a claim, whose state the four hand to each other.</remarks>
internal sealed class OrchestrationDispatcher : IAsyncDisposable, ITurnKeeper
{
    private const int ClaimMax = 64;

    private readonly DurableHub _hub;
    private readonly WorkReader _reader;
    private readonly WorkerLease _lease;
    private readonly OwnedWork _owned;
    private readonly TurnRunner _runner;
    private readonly EntityRunner _entities;
    private readonly ActivityDispatcher _activities;
    private readonly DurableMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly StateCache _cache = new();
    private readonly WakeSignal _signal;
    private readonly ClaimLoop _loop;
    private readonly Action<DateTime?> _wakeAt;
    private readonly Capacity _capacity;
    private volatile bool _othersWait;

    public OrchestrationDispatcher(
        DurableHub hub,
        WorkReader reader,
        WorkerLease lease,
        OwnedWork owned,
        TurnRunner runner,
        EntityRunner entities,
        ActivityDispatcher activities,
        int turnsMax,
        DurableMetrics metrics,
        TimeProvider time,
        ILogger logger)
    {
        _hub = hub;
        _reader = reader;
        _lease = lease;
        _owned = owned;
        _runner = runner;
        _entities = entities;
        _activities = activities;
        _metrics = metrics;
        _time = time;
        _logger = logger;
        _signal = new WakeSignal(time);
        _capacity = new Capacity(turnsMax, _signal);
        _loop = new ClaimLoop(hub, ClaimAsync, _signal, time, logger);
        _wakeAt = _signal.WakeAt;
    }

    public void Start()
    {
        _hub.Feed.OrchestrationsReady += _wakeAt;
        if (!_reader.IsFiltered)
        {
            _hub.Committer.Keeper = this;
        }

        _loop.Start();
    }

    public void Wake() => _signal.Wake();

    int ITurnKeeper.WorkerId => _lease.WorkerId;

    // What has been ready for longer comes first: while it waits for capacity, nothing is claimed past it.
    int ITurnKeeper.Reserve(int wanted) => _othersWait ? 0 : _capacity.Reserve(wanted);

    void ITurnKeeper.Unreserve(int count) => _capacity.Release(count);

    void ITurnKeeper.Run(IReadOnlyList<KeptTurn> turns, DateTime now)
    {
        var unknown = new List<TurnClaim>();
        foreach (var turn in turns)
        {
            _owned.Add(turn.Claim);
            (InstanceRecord Instance, IReadOnlyList<HistoryRecord> History)? known =
                turn.Started is { } started ? (started, []) : _cache.Take(turn.Claim);
            if (known is { } state)
            {
                _ = Task.Run(() => RunOneAsync(
                    new TurnWork(turn.Claim, state.Instance, state.History, WorkReader.InOrder([.. turn.Messages])), now));
            }
            else
            {
                unknown.Add(turn.Claim);
            }
        }

        if (unknown.Count > 0)
        {
            _ = Task.Run(() => RunAllAsync(unknown, now));
        }
    }

    /// <summary>Stops claiming; turns that run are committed.</summary>
    public async Task DrainAsync(CancellationToken cancellationToken)
    {
        _hub.Feed.OrchestrationsReady -= _wakeAt;
        if (_hub.Committer.Keeper == this)
        {
            _hub.Committer.Keeper = null;
        }

        await _loop.StopAsync().ConfigureAwait(false);
        await _capacity.DrainAsync(cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await _loop.DisposeAsync().ConfigureAwait(false);
        _signal.Dispose();
    }

    /// <returns>As <see cref="ClaimLoop"/> wants it: null to look again at once, otherwise when the next is ready.</returns>
    private async Task<DateTime?> ClaimAsync()
    {
        var free = _capacity.Free;
        if (free == 0)
        {
            _othersWait = true;
            return DateTime.MaxValue; // The end of a turn wakes this loop.
        }

        var max = Math.Min(free, ClaimMax);
        var claimed = await _owned.ClaimAsync(
            () => _reader.ClaimTurnsAsync(_lease.WorkerId, max, CancellationToken.None),
            result =>
            {
                foreach (var claim in result.Claims)
                {
                    _owned.Add(claim);
                }
            }).ConfigureAwait(false);
        if (claimed.Claims.Count > 0)
        {
            _capacity.Take(claimed.Claims.Count);
            _ = Task.Run(() => RunAllAsync(claimed.Claims, claimed.Now));
        }

        _othersWait = claimed.Claims.Count == max;

        // The database's clock decides what is ready; the wait is measured on this process's.
        return claimed.Claims.Count == max
            ? null
            : claimed.NextReadyAt is { } next ? _time.GetUtcNow().UtcDateTime + (next - claimed.Now) : DateTime.MaxValue;
    }

    private async Task RunAllAsync(IReadOnlyList<TurnClaim> claims, DateTime now)
    {
        IReadOnlyList<TurnWork> works = [];
        try
        {
            works = await _reader.LoadAsync(claims, _cache.Take, CancellationToken.None).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Claims must not be forgotten whatever happens: they are given back below, one way or the other.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            StoreLog.ClaimFailed(_logger, exception.Message);
            await HandleUnreadableAsync(claims, exception, now).ConfigureAwait(false);
        }

        foreach (var claim in claims.Except(works.Select(w => w.Claim)))
        {
            // Given back above, or (an instance that vanished) by the next comparison with the database.
            _owned.Remove(claim);
            _owned.Doubt();
        }

        _capacity.Release(claims.Count - works.Count);
        foreach (var work in works)
        {
            _ = Task.Run(() => RunOneAsync(work, now));
        }
    }

    /// <summary>Gives claims back when the database is away; an instance that cannot be read at all fails alone.</summary>
    private async Task HandleUnreadableAsync(IReadOnlyList<TurnClaim> claims, Exception exception, DateTime now)
    {
        if (DurableDatabase.IsTransient(exception))
        {
            Release(claims, now);
            return;
        }

        foreach (var claim in claims)
        {
            try
            {
                await _reader.LoadAsync([claim], _cache.Take, CancellationToken.None).ConfigureAwait(false);
                Release([claim], now);
            }
            catch (Exception single) when (!DurableDatabase.IsTransient(single))
            {
                var work = new TurnWork(claim, new InstanceRecord(claim.InstanceId, claim.ExecutionId, "(unreadable)", string.Empty), [], []);
                ExecutionLog.TurnNotStorable(_logger, single, claim.InstanceId, work.Instance.Name);
                _hub.Committer.Post(TurnRunner.Abort(work, now, new StandaloneException(
                    StandaloneFault.StoredData,
                    $"The stored state of the instance '{claim.InstanceId}' cannot be read: {single.Message}",
                    "Inspect its rows in the tables instances, history and inbox.",
                    single), keepHistory: true));
                _owned.Remove(claim);
            }
            catch (Exception single)
            {
                StoreLog.ClaimFailed(_logger, single.Message);
                Release([claim], now);
            }
        }
    }

    private void Release(IReadOnlyList<TurnClaim> claims, DateTime now)
    {
        // Commits of nothing: repeated until the database is back, refused if somebody else has the instance by then.
        foreach (var claim in claims)
        {
            _hub.Committer.Post(new TurnCommit(claim) { ReadyAt = now });
            _owned.Remove(claim);
        }
    }

    private async Task RunOneAsync(TurnWork work, DateTime now)
    {
        try
        {
            var began = Stopwatch.GetTimestamp();
            TurnCommit commit;
            try
            {
                commit = EntityIds.IsEntity(work.Instance.InstanceId)
                    ? await _entities.RunAsync(work, now).ConfigureAwait(false)
                    : await _runner.RunAsync(work, now).ConfigureAwait(false);
            }
#pragma warning disable CA1031 // A turn that breaks the engine would break it for ever: the instance fails with the reason.
            catch (Exception exception)
#pragma warning restore CA1031
            {
                ExecutionLog.TurnNotStorable(_logger, exception, work.Instance.InstanceId, work.Instance.Name);
                commit = await AbortAsync(work, now, exception).ConfigureAwait(false);
            }

            await CommitAsync(work, commit, now).ConfigureAwait(false);
            _metrics.TurnEnded(Stopwatch.GetElapsedTime(began), work.History.Count);
        }
        finally
        {
            _owned.Remove(work.Claim);
            _capacity.Release(1);
        }
    }

    private async Task CommitAsync(TurnWork work, TurnCommit commit, DateTime now)
    {
        commit.ActivitiesToKeep = _activities.Reserve(commit.Activities.Count);
        commit.OnKept = _owned.Add;
        CommitOutcome outcome;
        try
        {
            outcome = await _hub.Committer.CommitAsync(commit, CancellationToken.None).ConfigureAwait(false);
        }
        catch (ObjectDisposedException)
        {
            return; // The host has stopped; the claim runs out and another process repeats the turn.
        }
#pragma warning disable CA1031 // What cannot be stored now cannot be stored at the next try either: the instance fails with the reason.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            _activities.Unreserve(commit.ActivitiesToKeep);
            ExecutionLog.TurnNotStorable(_logger, exception, work.Instance.InstanceId, work.Instance.Name);
            _hub.Committer.Post(await AbortAsync(work, now, exception).ConfigureAwait(false));
            _owned.Doubt(); // Should even that be refused by the database, the claim goes back to the queue.
            return;
        }

        _activities.Run(commit.Kept, unused: commit.ActivitiesToKeep - commit.Kept.Count);
        if (outcome == CommitOutcome.Refused)
        {
            ExecutionLog.Refused(_logger, work.Instance.InstanceId);
            return;
        }

        _cache.Keep(work, commit);
        if (commit.IsFinishing)
        {
            LogFinished(work.Instance, commit.Change!);
        }
    }

    // An instance whose turn cannot be stored fails; an entity has no end, so whatever it was asked fails.
    private static async Task<TurnCommit> AbortAsync(TurnWork work, DateTime now, Exception exception) =>
        EntityIds.IsEntity(work.Instance.InstanceId)
            ? await EntityRunner.AbortAsync(work, now, StoredFailure.From(exception)).ConfigureAwait(false)
            : TurnRunner.Abort(work, now, exception);

    private void LogFinished(InstanceRecord instance, InstanceChange change)
    {
        if (change.Status == OrchestrationRuntimeStatus.Failed)
        {
            ExecutionLog.Failed(_logger, instance.InstanceId, instance.Name, change.Failure?.Message ?? string.Empty);
        }
        else
        {
            ExecutionLog.Finished(_logger, instance.InstanceId, instance.Name, change.Status.ToString());
        }
    }
}
