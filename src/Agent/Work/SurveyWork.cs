using Backup.AgentApi;
using Backup.Sources.Restoring;

namespace Backup.Agent.Work;

/// <summary>Finds which packs a restore would read, and notes their names for <see cref="SurveyPacksQuery"/>.</summary>
internal sealed class SurveyWork(RestoreSource source, SurveyNotes notes)
{
    public async Task<JobOutcome> RunAsync(OrderId id, SurveyOrder order, CancellationToken cancel)
    {
        var vault = await source.OpenAsync(order.From, cancel).ConfigureAwait(false);
        var (snapshot, missing) = await RestoreSource.FindAsync(vault, order.SnapshotId, cancel).ConfigureAwait(false);
        if (snapshot is null)
        {
            return JobOutcome.Failed(missing!);
        }

        var found = await RestoreSurvey.RunAsync(vault, snapshot.Id, order.Include, cancel).ConfigureAwait(false);
        notes.Keep(id, found.Packs.Select(pack => pack.ToString()));
        return new JobOutcome { State = JobState.Succeeded, Survey = new SurveyResult { Files = found.Files, Bytes = found.Bytes, Packs = found.Packs.Count } };
    }
}
