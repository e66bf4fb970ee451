using Backup.Agent.Journal;
using Backup.AgentApi;
using Microsoft.Extensions.Logging;

namespace Backup.Agent.Jobs;

/// <summary>The facts about jobs, durably and in order. Used by <see cref="JobBook"/> alone, under its lock.</summary>
internal sealed class JobJournal : IDisposable
{
    private const long CompactAboveBytes = 1 << 20;

    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly RecordLog _records;
    private long _bytesAfterCompaction;

    /// <summary>Opens or makes the file.</summary>
    /// <param name="file">The journal.</param>
    /// <param name="jobs">Gets what the journal tells.</param>
    /// <param name="time">Dates records.</param>
    /// <param name="log">Hears of what could not be written.</param>
    /// <exception cref="AgentException">The journal is damaged or too new.</exception>
    /// <exception cref="IOException">It cannot be opened.</exception>
    public JobJournal(string file, Dictionary<OrderId, Job> jobs, TimeProvider time, ILogger log)
    {
        (_time, _log) = (time, log);
        _records = RecordLog.Open(file, bytes => JobHistory.Apply(JobRecord.Parse(bytes.Span), jobs));
    }

    /// <summary>Bytes of a torn record that opening cut off.</summary>
    public long TornBytes => _records.TornBytes;

    /// <summary>It has grown to twice what it was after the last compaction, and is no longer small.</summary>
    public bool IsWorthCompacting => _records.Length >= Math.Max(CompactAboveBytes, 2 * _bytesAfterCompaction);

    /// <summary>A fact of this moment, to be appended.</summary>
    public JobRecord Record(JobRecordKind kind, Job job) => new() { Kind = kind, OrderId = job.OrderId, At = _time.GetUtcNow() };

    /// <summary>Writes a fact; it is durable when this returns.</summary>
    /// <exception cref="IOException">Nothing was written.</exception>
    public void Append(JobRecord record) => _records.Append(record.ToBytes());

    /// <summary>Writes a fact that holds whether it can be written or not: until the agent restarts.</summary>
    public void AppendOrWarn(JobRecord record)
    {
        try
        {
            Append(record);
        }
        catch (IOException e)
        {
            JobLog.JournalWriteFailed(_log, record.OrderId.Value, record.Kind, e);
        }
    }

    /// <summary>Replaces all records by the shortest history of these jobs, in one step.</summary>
    /// <exception cref="IOException">The old journal stays in use.</exception>
    public void Replace(IEnumerable<Job> jobs)
    {
        _records.Replace(jobs.SelectMany(JobHistory.RecordsOf).Select(record => record.ToBytes()));
        _bytesAfterCompaction = _records.Length;
    }

    public void Dispose() => _records.Dispose();
}
