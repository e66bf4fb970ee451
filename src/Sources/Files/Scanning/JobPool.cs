namespace Backup.Sources.Files.Scanning;

/// <summary>
/// The directories that wait or are being worked on. A thread takes a directory of its own, the newest first, so that few are open at
/// a time and files of one folder are compressed together; when none waits it helps with one that others have begun.
/// </summary>
internal sealed class JobPool
{
    private const int BegunMax = 64;

    private readonly object _gate = new();
    private readonly Stack<DirectoryJob> _waiting = new();
    private readonly List<DirectoryJob> _begun = [];
    private int _unfinished;
    private bool _isStopped;

    internal void Add(DirectoryJob job)
    {
        lock (_gate)
        {
            _unfinished++;
            _waiting.Push(job);
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>The directory has its entries now, so that others may help with them.</summary>
    internal void Begun(DirectoryJob job)
    {
        lock (_gate)
        {
            // Those with nothing left to hand out would keep their results in memory.
            if (_begun.Count >= BegunMax)
                _begun.RemoveAll(static candidate => !candidate.HasUnclaimed);
            _begun.Add(job);
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Null when everything is done. <paramref name="isNew"/> tells a directory that is still to be opened.</summary>
    internal DirectoryJob? Take(out bool isNew)
    {
        lock (_gate)
        {
            while (!_isStopped && _unfinished > 0)
            {
                if (_waiting.TryPop(out var job))
                {
                    isNew = true;
                    return job;
                }

                _begun.RemoveAll(static candidate => !candidate.HasUnclaimed);
                if (_begun.Count > 0)
                {
                    isNew = false;
                    return _begun[^1];
                }

                Monitor.Wait(_gate);
            }

            isNew = false;
            return null;
        }
    }

    /// <summary>The directory and all below it are stored.</summary>
    internal void Finished()
    {
        lock (_gate)
        {
            if (--_unfinished == 0)
                Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Lets every thread come home; what was begun is abandoned.</summary>
    internal void Stop()
    {
        lock (_gate)
        {
            _isStopped = true;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>A thread gives up in the middle of this one.</summary>
    internal void Abandon(DirectoryJob? job)
    {
        if (job is null)
            return;
        lock (_gate)
            _begun.Add(job);
    }

    /// <summary>Closes what a stopped walk left open. Only when no thread works any more.</summary>
    internal void CloseAbandoned()
    {
        foreach (var job in _waiting.Concat(_begun))
        {
            for (var open = job; open is not null; open = open.Parent)
                open.Directory?.Dispose();
        }
    }
}
