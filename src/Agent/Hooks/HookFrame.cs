using Backup.AgentApi;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Backup.Agent.Hooks;

/// <summary>Does work between hooks. Whatever the work comes to, and whatever ends it, the hooks after it run.</summary>
/// <remarks>
/// (1) note durably what undoes the hooks (2) the hooks before, in order; the first that fails ends it (3) the work (4) the hooks after, all of them, also when the work was
/// cancelled or the agent stops (5) forget the note when all went well. After a crash between (1) and (5) the next start runs (4), before it takes any order.
/// Hooks after may therefore run more than once, and without their hooks before.
/// </remarks>
internal sealed class HookFrame(HookRunner runner, HookNotes notes, ILogger<HookFrame> log) : IHostedService
{
    /// <summary>The work's outcome, with what went wrong in hooks after it; or, when a hook before it failed, no outcome and that failure.</summary>
    public async Task<(T? Outcome, Failure? Failure)> RunAsync<T>(OrderId order, string asset, string run, BackupHooks hooks, Func<Task<T>> work, CancellationToken cancel)
        where T : class
    {
        if (hooks.Before.Count == 0 && hooks.After.Count == 0)
        {
            return (await work().ConfigureAwait(false), null);
        }

        T? outcome = null;
        Failure? failure = null;
        Note(order, asset, run, hooks);                                                                           // (1)
        try
        {
            failure = await EnterAsync(asset, run, hooks, cancel).ConfigureAwait(false);                          // (2)
            outcome = failure is null ? await work().ConfigureAwait(false) : null;                                // (3)
        }
        finally
        {
            var stuck = await UndoAsync(order, asset, run, hooks.After).ConfigureAwait(false);                    // (4), (5)
            failure ??= stuck;
        }

        return (outcome, failure);
    }

    /// <summary>Notes durably what undoes the hooks. From here on <see cref="UndoAsync"/> has to follow, or a restart.</summary>
    /// <exception cref="AgentException">It cannot be noted: then no hook may run.</exception>
    internal void Note(OrderId order, string asset, string run, BackupHooks hooks) => notes.Keep(order, new HookNote { Asset = asset, Run = run, After = hooks.After });

    /// <summary>Runs the hooks before, in order. The first that fails is the answer, and none after it runs.</summary>
    internal async Task<Failure?> EnterAsync(string asset, string run, BackupHooks hooks, CancellationToken cancel)
    {
        Failure? failure = null;
        foreach (var hook in hooks.Before)
        {
            failure ??= await runner.RunAsync(hook, asset, run, cancel).ConfigureAwait(false);
        }

        return failure;
    }

    /// <summary>Undoes what a crash left.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var (order, note) in notes.List())
        {
            HookLog.Unwinding(log, note.Asset, note.Run);
            await UndoAsync(order, note.Asset, note.Run, note.After).ConfigureAwait(false);
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Not to be cancelled: each hook has its own limit, and an application that stays held is worse than an agent that stops late.</summary>
    internal async Task<Failure?> UndoAsync(OrderId order, string asset, string run, IReadOnlyList<string> after)
    {
        Failure? first = null;
        foreach (var hook in after)
        {
            var failure = await runner.RunAsync(hook, asset, run, CancellationToken.None).ConfigureAwait(false);
            first ??= failure;
        }

        // A name that the configuration no longer knows can never succeed.
        if (first is null || first.Code == FailureCode.UnknownHook)
        {
            notes.Remove(order);
        }

        return first;
    }
}
