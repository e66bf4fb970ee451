using Backup.Agent.Hooks;
using Backup.AgentApi;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Backup.Agent.Work;

/// <summary>Holds applications still for the backup of a group, and lets them go.</summary>
/// <remarks>
/// A hold outlives its job: it lives in this process and, as a note on disk, in <see cref="HookFrame"/>, which lets go at the next start whatever a crash left held. So it
/// ends in exactly one of four ways: the order to release it, its time limit, the agent's stop, the agent's next start. Only the first leaves a hold without a break, and only
/// that is a success: whoever learns otherwise must not believe that what was backed up meanwhile belongs together.
/// </remarks>
internal sealed class HoldWork(HookRunner hooks, HookFrame frame, TimeProvider time, ILogger<HoldWork> log) : IHostedService
{
    private readonly Lock _gate = new();
    private readonly Dictionary<OrderId, Hold> _holds = [];

    /// <summary>Holds. Run again after a crash it holds again: the start before it let go.</summary>
    public async Task<JobOutcome> HoldAsync(OrderId id, HoldOrder order, CancellationToken cancel)
    {
        if (hooks.Refuse([.. order.Hooks.Before, .. order.Hooks.After]) is { } refusal)
        {
            return JobOutcome.Failed(refusal);
        }

        frame.Note(id, order.Group, order.RunId, order.Hooks);
        Failure? failure;
        try
        {
            failure = await frame.EnterAsync(order.Group, order.RunId, order.Hooks, cancel).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            await frame.UndoAsync(id, order.Group, order.RunId, order.Hooks.After).ConfigureAwait(false);
            throw;
        }

        if (failure is not null)
        {
            await frame.UndoAsync(id, order.Group, order.RunId, order.Hooks.After).ConfigureAwait(false);
            return JobOutcome.Failed(failure);
        }

        lock (_gate)
        {
            // Within the lock: a timer that is over at once must find the hold.
            _holds[id] = new Hold(order, time.CreateTimer(_ => _ = ExpireAsync(id), null, TimeSpan.FromSeconds(order.SecondsMax), Timeout.InfiniteTimeSpan));
        }

        return new JobOutcome { State = JobState.Succeeded };
    }

    /// <summary>Lets go. Not to be cancelled: an application that stays held is worse than an agent that stops late.</summary>
    public async Task<JobOutcome> ReleaseAsync(ReleaseOrder order) => await EndAsync(order.Hold).ConfigureAwait(false) switch
    {
        (false, _) => JobOutcome.Failed(new Failure
        {
            Code = FailureCode.HoldLost,
            Message = "What was held for the group's backup had been let go before: its time was over, or the agent was stopped or started meanwhile.",
            Hint = "The agent's log says which. Back the group up again; if the time does not suffice, give the group a longer holdLimit.",
        }),
        (true, { } failure) => new JobOutcome { State = JobState.Partial, Failure = failure },
        _ => new JobOutcome { State = JobState.Succeeded },
    };

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Nobody could let go once the agent is stopped.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        KeyValuePair<OrderId, Hold>[] held;
        lock (_gate)
        {
            held = [.. _holds];
        }

        foreach (var (id, hold) in held)
        {
            await LetGoAsync(id, hold.Order).ConfigureAwait(false);
        }
    }

    private async Task ExpireAsync(OrderId id)
    {
        Hold? hold;
        lock (_gate)
        {
            hold = _holds.GetValueOrDefault(id);
        }

        if (hold is not null)
        {
            HoldLog.Expired(log, hold.Order.Group, hold.Order.RunId, hold.Order.SecondsMax);
            await LetGoAsync(id, hold.Order).ConfigureAwait(false);
        }
    }

    /// <summary>Without anybody who waits for the outcome: one hold that cannot be ended in an orderly way keeps none of the others.</summary>
    private async Task LetGoAsync(OrderId id, HoldOrder order)
    {
        try
        {
            await EndAsync(id).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What lets go has run; only its note is still there, and the next start runs it once more.
            HoldLog.NoteStays(log, order.Group, e);
        }
    }

    /// <summary>Whether it was still held, and what went wrong in letting go. Of several callers at once only one is told that it was.</summary>
    private async Task<(bool WasHeld, Failure? Failure)> EndAsync(OrderId id)
    {
        Hold? hold;
        lock (_gate)
        {
            _holds.Remove(id, out hold);
        }

        if (hold is null)
        {
            return (false, null);
        }

        await hold.Limit.DisposeAsync().ConfigureAwait(false);
        return (true, await frame.UndoAsync(id, hold.Order.Group, hold.Order.RunId, hold.Order.Hooks.After).ConfigureAwait(false));
    }

    private sealed record Hold(HoldOrder Order, ITimer Limit);
}

/// <summary>What happens to holds. Events 4500 to 4599.</summary>
internal static partial class HoldLog
{
    [LoggerMessage(4501, LogLevel.Warning, "Group '{Group}' was held for {Seconds} s (run {Run}): it is let go, and its backup will not count")]
    internal static partial void Expired(ILogger logger, string group, string run, int seconds);

    [LoggerMessage(4502, LogLevel.Error, "Group '{Group}' was let go, but the note of it cannot be removed")]
    internal static partial void NoteStays(ILogger logger, string group, Exception cause);
}
