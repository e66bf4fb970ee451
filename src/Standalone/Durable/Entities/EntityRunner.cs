using Backup.Standalone.Durable.Execution;
using Backup.Standalone.Durable.Store;
using Microsoft.DurableTask.Entities;
using Microsoft.DurableTask.Worker;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Backup.Standalone.Durable.Entities;

/// <summary>Runs turns of entities in memory and says what is to be committed.</summary>
/// <remarks>A turn is committed as a whole: a process that dies in it has done nothing, and the operations run again.</remarks>
internal sealed class EntityRunner(
    ITaskCatalog catalog,
    DurableTaskWorkerOptions options,
    DurableStorageOptions limits,
    IServiceScopeFactory scopes,
    ILogger logger,
    IExceptionPropertiesProvider? exceptionProperties) : IDisposable
{
    private readonly SemaphoreSlim _slots = new(Math.Max(1, options.Concurrency.MaximumConcurrentEntityWorkItems));

    public async Task<TurnCommit> RunAsync(TurnWork work, DateTime now)
    {
        if (work.Claim.Attempts > limits.AttemptsMax)
        {
            return await AbortAsync(work, now, new StoredFailure(
                "PoisonMessage",
                $"The entity was taken up {work.Claim.Attempts - 1} times and its process died each time; what it was asked counts as poison.",
                null,
                null)).ConfigureAwait(false);
        }

        await _slots.WaitAsync().ConfigureAwait(false);
        try
        {
            var turn = new EntityTurn(work, now);
            var scope = scopes.CreateAsyncScope();
            await using (scope.ConfigureAwait(false))
            {
                var id = EntityInstanceId.FromString(work.Instance.InstanceId);
                var entity = new Lazy<ITaskEntity?>(
                    () => catalog.CreateEntity(work.Instance.Name, scope.ServiceProvider), LazyThreadSafetyMode.None);
                await turn.RunAsync(request => OperateAsync(turn, entity, id, work.Instance.Version, request)).ConfigureAwait(false);
            }

            return turn.ToCommit();
        }
        finally
        {
            _slots.Release();
        }
    }

    /// <summary>A turn that answers everything asked with a failure and leaves the state as it is.</summary>
    public static async Task<TurnCommit> AbortAsync(TurnWork work, DateTime now, StoredFailure failure)
    {
        var turn = new EntityTurn(work, now);
        await turn.RunAsync(_ => Task.FromResult(new EntityAnswer(null, failure))).ConfigureAwait(false);
        return turn.ToCommit();
    }

    public void Dispose() => _slots.Dispose();

    private async Task<EntityAnswer> OperateAsync(
        EntityTurn turn, Lazy<ITaskEntity?> entity, EntityInstanceId id, string version, EntityRequest request)
    {
        try
        {
            if (entity.Value is null)
            {
                ExecutionLog.EntityFailed(logger, id.ToString(), request.Operation, "there is no entity of this name");
                return new EntityAnswer(null, new StoredFailure("EntityTaskNotFound", $"No entity task named '{id.Name}' was found.", null, null)
                {
                    IsNonRetriable = true,
                });
            }

            var operation = new EntityOperation(id, request, turn.State, version, options.DataConverter);
            var result = options.DataConverter.Serialize(await entity.Value.RunAsync(operation).ConfigureAwait(false));
            turn.Keep(operation);
            return new EntityAnswer(result, null);
        }
#pragma warning disable CA1031 // Whatever an operation throws is its result, and undoes what it did.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            ExecutionLog.EntityFailed(logger, id.ToString(), request.Operation, exception.Message);
            return new EntityAnswer(null, StoredFailure.From(exception, exceptionProperties));
        }
    }
}
