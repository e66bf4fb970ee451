namespace Backup.LocalStack.Services;

/// <summary>A program of ours that the stack keeps running and that tests may kill and start again.</summary>
/// <param name="spec">What to start.</param>
/// <param name="becomeReady">Waits until it does its work; throws the child's failure when it ends first.</param>
internal sealed class Supervised(ChildSpec spec, Func<ChildProcess, CancellationToken, Task> becomeReady) : IAsyncDisposable
{
    private ChildProcess? _child;

    public ChildSpec Spec { get; } = spec;

    public ChildProcess Child => _child ?? throw new InvalidOperationException($"{Spec.Name} was never started");

    /// <summary>Starts the program and waits until it is ready.</summary>
    public async Task StartAsync(CancellationToken cancel)
    {
        var child = await ChildProcess.StartAsync(Spec, cancel).ConfigureAwait(false);
        _child = child;
        await becomeReady(child, cancel).ConfigureAwait(false);
    }

    /// <summary>Another program that counts as ready by the same sign.</summary>
    public Supervised With(ChildSpec other) => new(other, becomeReady);

    public Task KillAsync() => Child.KillAsync();

    public Task StopAsync() => Child.StopAsync();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_child is not null)
        {
            await _child.DisposeAsync().ConfigureAwait(false);
        }
    }
}
