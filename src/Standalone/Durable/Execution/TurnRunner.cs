using Backup.Standalone.Durable.Store;
using DurableTask.Core.Exceptions;
using DurableTask.Core.History;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Abstractions;
using Microsoft.DurableTask.Worker;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Backup.Standalone.Durable.Execution;

/// <summary>Runs one turn of an orchestration in memory and says what is to be committed.</summary>
internal sealed class TurnRunner(
    ITaskCatalog catalog,
    DurableTaskWorkerOptions options,
    DurableStorageOptions limits,
    IServiceScopeFactory scopes,
    ILoggerFactory loggers,
    IExceptionPropertiesProvider? exceptionProperties,
    Action<TurnWork> illegalAwait)
{
    private static readonly TimeSpan VersionRetryDelay = TimeSpan.FromSeconds(5);

    public async Task<TurnCommit> RunAsync(TurnWork work, DateTime now)
    {
        var instance = work.Instance;
        if (work.History.Count == 0 && instance.StartAt > now && !work.Messages.Any(m => m.Kind == EventType.ExecutionTerminated))
        {
            return new TurnCommit(work.Claim) { ReadyAt = instance.StartAt, Time = now };
        }

        var outcome = new TurnOutcome(work, now);
        if (work.Claim.Attempts > limits.AttemptsMax)
        {
            return outcome.Fail(new StoredFailure(
                "PoisonMessage",
                $"The orchestration was taken up {work.Claim.Attempts - 1} times and its process died each time; it counts as poison.",
                null,
                null));
        }

        if (options.OrchestrationFilter is { } filter
            && !await filter.IsOrchestrationValidAsync(new OrchestrationFilterParameters { Name = instance.Name, Tags = instance.Tags }).ConfigureAwait(false))
        {
            return outcome.Fail(new StoredFailure("OrchestrationRefused", $"The orchestration filter refused '{instance.Name}'.", null, null));
        }

        if (VersionMismatch(instance) is { } mismatch)
        {
            return options.Versioning!.FailureStrategy == DurableTaskWorkerOptions.VersionFailureStrategy.Fail
                ? outcome.Fail(new StoredFailure("VersionMismatch", mismatch, null, null))
                : new TurnCommit(work.Claim) { ReadyAt = now + VersionRetryDelay, Time = now };
        }

        var scope = scopes.CreateAsyncScope();
        await using (scope.ConfigureAwait(false))
        {
            return Play(work, outcome, scope.ServiceProvider);
        }
    }

    /// <summary>A turn that fails its instance because what it did cannot be stored.</summary>
    /// <param name="work">The turn.</param>
    /// <param name="now">The database's clock, UTC.</param>
    /// <param name="exception">Why it cannot be stored.</param>
    /// <param name="keepHistory">Whether to leave the history as it is, because nobody knows how long it is.</param>
    public static TurnCommit Abort(TurnWork work, DateTime now, Exception exception, bool keepHistory = false) =>
        new TurnOutcome(work, now) { KeepsHistory = keepHistory }.Fail(StoredFailure.From(exception));

    private TurnCommit Play(TurnWork work, TurnOutcome outcome, IServiceProvider services)
    {
        var instance = work.Instance;
        ITaskOrchestrator? orchestrator;
        try
        {
            orchestrator = catalog.CreateOrchestrator(instance.Name, instance.Version, services);
        }
#pragma warning disable CA1031 // A class that cannot be constructed fails its instance, with the reason.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            return outcome.Fail(StoredFailure.From(exception));
        }

        if (orchestrator is null)
        {
            var version = string.IsNullOrEmpty(instance.Version) ? string.Empty : $" (version '{instance.Version}')";
            return outcome.Fail(new StoredFailure(
                "OrchestratorTaskNotFound", $"No orchestrator task named '{instance.Name}'{version} was found.", null, null)
            {
                IsNonRetriable = true,
            });
        }

        var previous = SynchronizationContext.Current;
        var turn = new OrchestratorSynchronizationContext();
        SynchronizationContext.SetSynchronizationContext(turn);
        try
        {
            return Play(work, outcome, orchestrator, turn);
        }
        catch (NonDeterministicOrchestrationException exception)
        {
            return outcome.Fail(StoredFailure.From(exception));
        }
        finally
        {
            turn.Close();
            SynchronizationContext.SetSynchronizationContext(previous);
        }
    }

    private TurnCommit Play(TurnWork work, TurnOutcome outcome, ITaskOrchestrator orchestrator, OrchestratorSynchronizationContext turn)
    {
        var instance = work.Instance;
        var context = new OrchestrationContext(instance, options, loggers, turn)
        {
            Input = type => options.DataConverter.Deserialize(instance.Input, type),
        };
        var player = new OrchestrationPlayer(instance, context, turn, () => orchestrator.RunAsync(
            context,
            orchestrator.InputType == typeof(UnreadInput) ? null : options.DataConverter.Deserialize(instance.Input, orchestrator.InputType)));

        player.PlayStored(work.History);
        outcome.Appended.AddRange(outcome.NewEvents().TakeWhile(_ => player.Termination is null).Where(player.Play));

        if (player.Termination is { } termination)
        {
            return outcome.Terminate(termination);
        }

        var waitsForNothing = player.Code is { IsCompleted: false } && !player.IsSuspended && !context.HasOpenTasks;
        if (waitsForNothing || turn.SawForeignThread)
        {
            return outcome.Fail(StoredFailure.From(new InvalidOperationException(OrchestrationContext.IllegalAwaitMessage)));
        }

        if (player.Code is { IsCompleted: true })
        {
            context.LeaveCriticalSection();
        }

        turn.Violated = () => illegalAwait(work);
        outcome.Collect(context);
        if (work.History.Count + outcome.Appended.Count > limits.HistoryEventsMax
            || work.History.Sum(h => h.Characters) + outcome.Appended.Sum(h => h.Characters) > limits.HistoryCharactersMax)
        {
            return outcome.Fail(new StoredFailure(
                "HistoryTooLarge",
                $"The history of '{instance.Name}' is larger than the limits of {limits.HistoryEventsMax} events and "
                + $"{limits.HistoryCharactersMax} characters. Use continue-as-new or sub-orchestrations.",
                null,
                null));
        }

        return Conclude(outcome, context, player);
    }

    private TurnCommit Conclude(TurnOutcome outcome, OrchestrationContext context, OrchestrationPlayer player)
    {
        if (context.CustomStatusSet)
        {
            outcome.CustomStatus = context.CustomStatus;
        }

        if (player.Code is not { IsCompleted: true } code)
        {
            return outcome.Wait(player.IsSuspended);
        }

        if (!code.IsCompletedSuccessfully)
        {
            var exception = code.Exception?.InnerException ?? new TaskCanceledException(code);
            return outcome.Fail(StoredFailure.From(exception, exceptionProperties));
        }

        if (context.Continuation is { } continuation)
        {
            return outcome.Continue(
                options.DataConverter.Serialize(continuation.Input),
                continuation.Version,
                continuation.KeepsEvents ? context.Events.Unprocessed : []);
        }

        try
        {
            return outcome.Complete(options.DataConverter.Serialize(code.Result));
        }
#pragma warning disable CA1031 // An output that cannot be serialized is the orchestrator's failure.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            return outcome.Fail(StoredFailure.From(exception));
        }
    }

    private string? VersionMismatch(InstanceRecord instance)
    {
        if (options.Versioning is not { } versioning)
        {
            return null;
        }

        var order = TaskOrchestrationVersioningUtils.CompareVersions(instance.Version, versioning.Version);
        return versioning.MatchStrategy switch
        {
            DurableTaskWorkerOptions.VersionMatchStrategy.Strict when order != 0 =>
                $"The orchestration version '{instance.Version}' does not match the worker version '{versioning.Version}'.",
            DurableTaskWorkerOptions.VersionMatchStrategy.CurrentOrOlder when order > 0 =>
                $"The orchestration version '{instance.Version}' is greater than the worker version '{versioning.Version}'.",
            _ => null,
        };
    }
}

/// <summary>The input type of orchestrators that read their input from the context themselves.</summary>
internal sealed class UnreadInput
{
    private UnreadInput()
    {
    }
}
