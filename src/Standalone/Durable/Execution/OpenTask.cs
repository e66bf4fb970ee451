using Backup.Standalone.Durable.Store;
using DurableTask.Core.History;
using Microsoft.DurableTask;

namespace Backup.Standalone.Durable.Execution;

/// <summary>A call that the orchestrator has made and that is not answered yet.</summary>
internal abstract class OpenTask(EventType kind, int id, string name)
{
    /// <summary>The kind of event that records the call.</summary>
    public EventType Kind { get; } = kind;

    public int Id { get; } = id;

    public string Name { get; } = name;

    public abstract void Complete(string? data);

    public abstract void Fail(StoredFailure failure);
}

/// <summary>A call with a result.</summary>
internal sealed class OpenTask<T>(EventType kind, int id, string name, DataConverter converter) : OpenTask(kind, id, name)
{
    // Continuations run inline or on the turn's own context: never on the thread pool.
    private readonly TaskCompletionSource<T> _source = new();

    public Task<T> Task => _source.Task;

    public override void Complete(string? data)
    {
        T? result;
        try
        {
            result = converter.Deserialize<T>(data);
        }
#pragma warning disable CA1031 // Whatever the converter throws reaches the orchestrator, which called for this type.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            _source.TrySetException(exception);
            return;
        }

        _source.TrySetResult(result!);
    }

    public override void Fail(StoredFailure failure) =>
        _source.TrySetException(new CallFailedException(Name, Id, failure));

    public void Cancel(CancellationToken cancellationToken) => _source.TrySetCanceled(cancellationToken);
}

/// <summary>A failed call inside the engine; orchestrators see <see cref="TaskFailedException"/> instead.</summary>
internal sealed class CallFailedException(string name, int id, StoredFailure failure) : Exception(failure.Message)
{
    public StoredFailure Failure { get; } = failure;

    public TaskFailedException ToTaskFailed() => new(name, id, Failure.ToDetails());
}
