namespace Backup.Standalone.Durable.Execution;

/// <summary>
/// Runs an orchestrator's continuations one after another on the thread of its turn. A continuation that arrives from
/// another thread comes from something the orchestrator had no right to await.
/// </summary>
internal sealed class OrchestratorSynchronizationContext : SynchronizationContext
{
    private readonly Queue<(SendOrPostCallback Callback, object? State)> _queue = new();
    private readonly int _thread = Environment.CurrentManagedThreadId;
    private volatile bool _closed;
    private volatile bool _sawForeignThread;

    /// <summary>Called once when a continuation arrives after the turn or from a foreign thread.</summary>
    public Action? Violated { get; set; }

    public bool SawForeignThread => _sawForeignThread;

    public bool IsOnTurn => !_closed && Environment.CurrentManagedThreadId == _thread;

    public override void Post(SendOrPostCallback d, object? state)
    {
        if (IsOnTurn)
        {
            _queue.Enqueue((d, state));
            return;
        }

        // The continuation is dropped: running it would let the orchestrator act outside of any turn.
        if (!_sawForeignThread)
        {
            _sawForeignThread = true;
            Violated?.Invoke();
        }
    }

    public override void Send(SendOrPostCallback d, object? state) => d(state);

    public override SynchronizationContext CreateCopy() => this;

    /// <summary>Records a violation that was found elsewhere.</summary>
    public void MarkViolated() => _sawForeignThread = true;

    /// <summary>Runs continuations until none is left.</summary>
    public void Drain()
    {
        while (_queue.TryDequeue(out var work))
        {
            work.Callback(work.State);
        }
    }

    /// <summary>Ends the turn: whatever arrives from now on is a violation.</summary>
    public void Close() => _closed = true;
}
