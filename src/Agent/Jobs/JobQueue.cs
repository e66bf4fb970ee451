namespace Backup.Agent.Jobs;

/// <summary>The jobs that wait, and which of them comes next. Only waiting for a turn is for several threads; everything else happens under <see cref="JobBook"/>'s lock.</summary>
internal sealed class JobQueue(TimeProvider time) : IDisposable
{
    /// <summary>A job that has waited this long comes before newer ones of the next higher priority.</summary>
    public static readonly TimeSpan RankedUpAfter = TimeSpan.FromHours(1);

    private readonly LinkedList<Job> _waiting = [];
    private readonly SemaphoreSlim _turns = new(0);

    /// <summary>Adds a job, and with it a turn for somebody who begins with one.</summary>
    public void Add(Job job)
    {
        _waiting.AddLast(job);
        _turns.Release();
    }

    /// <summary>Takes a job out: it begins or has ended. Its turn stays, and may find nothing.</summary>
    public void Remove(Job job) => _waiting.Remove(job);

    /// <summary>Waits until a job may be there to begin with.</summary>
    public Task WaitForTurnAsync(CancellationToken stopping) => _turns.WaitAsync(stopping);

    /// <summary>After a turn in which no job could be begun and none was taken out.</summary>
    public void GiveTurnBack() => _turns.Release();

    /// <summary>The most urgent job, of several the one that came first; null when none waits. Waiting raises a job's rank, so that none waits for ever.</summary>
    public Job? Next()
    {
        var now = time.GetUtcNow();
        return _waiting.MaxBy(job => job.PriorityRank + ((now - job.AcceptedAt) / RankedUpAfter));
    }

    public void Dispose() => _turns.Dispose();
}
