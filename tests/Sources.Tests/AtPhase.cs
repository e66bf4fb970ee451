namespace Backup.Sources.Tests;

/// <summary>Does something once, when a phase is told for the first time.</summary>
internal sealed class AtPhase(TransferPhase phase, Action act) : IProgress<TransferProgress>
{
    private int _done;

    public void Report(TransferProgress value)
    {
        if (value.Phase == phase && Interlocked.Exchange(ref _done, 1) == 0)
            act();
    }
}
