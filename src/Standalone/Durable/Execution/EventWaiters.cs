using Backup.Standalone.Durable.Store;
using Microsoft.DurableTask;

namespace Backup.Standalone.Durable.Execution;

/// <summary>External events: those that came early, in order, and those somebody waits for.</summary>
/// <remarks>
/// Names compare without regard to case. The newest waiter gets the next event: in a loop around Task.WhenAny the older
/// waiters are abandoned ones.
/// </remarks>
internal sealed class EventWaiters(DataConverter converter)
{
    private readonly Dictionary<string, Stack<IWaiter>> _waiters = new(StringComparer.OrdinalIgnoreCase);
    private readonly LinkedList<CarriedEvent> _early = [];

    private interface IWaiter
    {
        Type Type { get; }

        bool IsOpen { get; }

        void Complete(string? data);
    }

    /// <summary>Whether somebody waits.</summary>
    public bool AnyOpen => _waiters.Values.Any(stack => stack.Any(w => w.IsOpen));

    /// <summary>Events that nobody has consumed, in order.</summary>
    public IReadOnlyList<CarriedEvent> Unprocessed => [.. _early];

    public Task<T> WaitAsync<T>(string name, CancellationToken cancellationToken) => WaitAsync(name, data => converter.Deserialize<T>(data)!, cancellationToken);

    /// <summary>Waits for an event of the engine's own, whose data no converter has touched.</summary>
    public Task<string?> WaitForTextAsync(string name) => WaitAsync<string?>(name, data => data, CancellationToken.None);

    private Task<T> WaitAsync<T>(string name, Func<string?, T> read, CancellationToken cancellationToken)
    {
        if (!_waiters.TryGetValue(name, out var stack))
        {
            _waiters[name] = stack = new Stack<IWaiter>();
        }

        if (stack.TryPeek(out var other) && other.IsOpen && other.Type != typeof(T))
        {
            throw new ArgumentException(
                $"Events with the same name must have the same type argument. Expected {other.Type.FullName} but was requested {typeof(T).FullName}.");
        }

        var waiter = new Waiter<T>(read);
        if (cancellationToken.IsCancellationRequested)
        {
            waiter.Cancel(cancellationToken);
            return waiter.Task;
        }

        for (var node = _early.First; node is not null; node = node.Next)
        {
            if (string.Equals(node.Value.Name, name, StringComparison.OrdinalIgnoreCase))
            {
                _early.Remove(node);
                waiter.Complete(node.Value.Data);
                return waiter.Task;
            }
        }

        stack.Push(waiter);
        cancellationToken.Register(() => waiter.Cancel(cancellationToken));
        return waiter.Task;
    }

    /// <summary>Hands an event to a waiter, or keeps it.</summary>
    public void Receive(CarriedEvent received)
    {
        if (_waiters.TryGetValue(received.Name, out var stack))
        {
            while (stack.TryPop(out var waiter))
            {
                // A cancelled waiter must not swallow an event.
                if (waiter.IsOpen)
                {
                    waiter.Complete(received.Data);
                    return;
                }
            }
        }

        _early.AddLast(received);
    }

    private sealed class Waiter<T>(Func<string?, T> read) : IWaiter
    {
        private readonly TaskCompletionSource<T> _source = new();

        public Type Type => typeof(T);

        public bool IsOpen => !_source.Task.IsCompleted;

        public Task<T> Task => _source.Task;

        public void Cancel(CancellationToken cancellationToken) => _source.TrySetCanceled(cancellationToken);

        public void Complete(string? data)
        {
            T value;
            try
            {
                value = read(data);
            }
#pragma warning disable CA1031 // Whatever the converter throws reaches the orchestrator, which waits for this type.
            catch (Exception exception)
#pragma warning restore CA1031
            {
                _source.TrySetException(exception);
                return;
            }

            _source.TrySetResult(value);
        }
    }
}
