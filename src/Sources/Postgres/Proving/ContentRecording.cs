using Backup.Sources.Postgres.Format;

namespace Backup.Sources.Postgres.Proving;

/// <summary>
/// The record of a backup's tables, made beside it. It has to be begun after the backup was, and what is recorded after the backup's end is left out: only in
/// between the log that a restore replays tells what changed since.
/// </summary>
internal sealed class ContentRecording(PostgresBackupRequest request, TimeProvider clock, CancellationToken cancel) : IAsyncDisposable
{
    private readonly CancellationTokenSource _unneeded = CancellationTokenSource.CreateLinkedTokenSource(cancel);
    private readonly TaskCompletionSource _snapshotsTaken = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task<ContentDocument>? _record;

    /// <summary>Completes when the databases are in the state that will be recorded, or nothing will be: from then on the backup may end.</summary>
    internal Task SnapshotsTaken => _record is { } record ? Task.WhenAny(_snapshotsTaken.Task, record) : Task.CompletedTask;

    /// <summary>Completes when everything is recorded that will be.</summary>
    internal Task Done => _record ?? Task.CompletedTask;

    /// <summary>The backup has begun.</summary>
    internal void Start()
    {
        if (request.RecordMebibytes > 0)
        {
            var recorder = new ContentRecorder(request.ConnectionString, request.RecordMebibytes, clock) { WhenSnapshotsTaken = _snapshotsTaken.SetResult };
            _record = Task.Run(() => recorder.RunAsync(_unneeded.Token), CancellationToken.None);
        }
    }

    /// <summary>What belongs into the snapshot; null when nothing was to be recorded.</summary>
    internal async Task<ContentDocument?> FinishAsync(Lsn end, ProblemList problems)
    {
        if (_record is null)
            return null;
        var record = await _record;
        var within = record.Databases.Where(database => Lsn.Parse(database.UntilLsn) <= end).ToList();
        if (within.Count < record.Databases.Count)
        {
            var late = $"{record.Databases.Count - within.Count} databases were recorded after the end of the backup";
            record = record with { Databases = within, Note = record.Note is { } said ? $"{said}; {late}" : late };
        }

        if (record.Note is { } note)
            problems.Add(PostgresSource.ContentName, ItemProblemKind.Note, $"Not all tables are recorded for later comparison: {note}.");
        return record;
    }

    public async ValueTask DisposeAsync()
    {
        await _unneeded.CancelAsync();
        await Done.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _unneeded.Dispose();
    }
}
