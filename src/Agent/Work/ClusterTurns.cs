using System.Collections.Concurrent;

namespace Backup.Agent.Work;

/// <summary>
/// One backup of a cluster at a time. Received log asks for base backups by itself, often just when one is ordered: side by side, both would read
/// everything, and the vault would get it twice.
/// </summary>
internal sealed class ClusterTurns
{
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _turns = new(StringComparer.Ordinal);

    /// <summary>Waits until nobody else backs this asset up.</summary>
    /// <returns>What ends the turn when it is disposed of.</returns>
    public async Task<IDisposable> TakeAsync(string asset, CancellationToken cancel)
    {
        // As many as there are clusters, and kept: none is ever disposed of while somebody waits.
        var turn = _turns.GetOrAdd(asset, static _ => new SemaphoreSlim(1, 1));
        await turn.WaitAsync(cancel).ConfigureAwait(false);
        return new Turn(turn);
    }

    private sealed class Turn(SemaphoreSlim turn) : IDisposable
    {
        private int _isOver;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isOver, 1) == 0)
            {
                turn.Release();
            }
        }
    }
}
