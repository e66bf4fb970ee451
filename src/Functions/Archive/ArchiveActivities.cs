using Backup.Catalog;
using Backup.Catalog.Archive;
using Backup.Catalog.Restores;
using Backup.Functions.Agents;
using Backup.Functions.Restores;
using Backup.Policy;
using Backup.Policy.Archive;
using Microsoft.Azure.Functions.Worker;

namespace Backup.Functions.Archive;

/// <summary>Files in place after a part was restored.</summary>
public sealed record ArchiveFiles(string Id, long Restored);

/// <summary>Looks which packs of a restore can be read, and asks for the next batch of those that cannot.</summary>
/// <param name="tier">The storage.</param>
/// <param name="archive">What was planned.</param>
public sealed class AdvanceRehydration(IArchiveTier tier, ArchiveStore archive)
{
    /// <summary>Safe to repeat: what was asked for is known to the storage.</summary>
    [Function(nameof(AdvanceRehydration))]
    public async Task<ArchiveLook> RunAsync([ActivityTrigger] string restore, CancellationToken cancel)
    {
        var id = new RestoreId(restore);
        var known = await archive.FindAsync(id, cancel).ConfigureAwait(false);
        if (known is { State: ArchiveState.Cancelling })
        {
            // Whoever cancelled may have died before the orchestration was told.
            return new ArchiveLook(0, 0, 0, 0) { IsCancelRequested = true };
        }

        if (known is not { State: ArchiveState.Running, Priority: { } priority })
        {
            return new ArchiveLook(0, 0, 0, 0, new JobFailure(ReasonCodes.Internal, $"Archive restore {restore} is not running.", "It ended otherwise meanwhile."));
        }

        var packs = await archive.PacksAsync(id, cancel).ConfigureAwait(false);
        try
        {
            var states = await ArchivePlans.StatesAsync(tier, known, packs, cancel).ConfigureAwait(false);
            var lost = states.Count(s => s is null);
            if (lost > 0)
            {
                return new ArchiveLook(0, 0, 0, lost, new JobFailure(ReasonCodes.ReplicaDamaged, $"The replica lacks {lost} packs that the restore needs.", "Have the replica verified and mended, or restore from another tier."));
            }

            var archived = packs.Where((_, i) => states[i]!.Presence is ArchivePresence.Archived).ToArray();
            var batch = archived.Take(ArchiveRestorePlanner.BatchPacksMax).ToArray();
            foreach (var there in batch.GroupBy(p => known.Members[p.Member].Place, p => p.Name))
            {
                await tier.RequestAsync(ArchivePlace.At(there.Key), [.. there], priority, cancel).ConfigureAwait(false);
            }

            var ready = states.Count(s => s!.Presence is ArchivePresence.Online);
            // Of the first member that waits for a pack, and of those after it, not all is there.
            var waiting = packs.Where((_, i) => states[i]!.Presence is not ArchivePresence.Online).Select(p => (int?)p.Member).Min();
            var look = new ArchiveLook(ready, packs.Count - ready - archived.Length + batch.Length, archived.Length - batch.Length, 0) { MembersReady = waiting ?? known.Members.Count };
            await archive.NoteProgressAsync(id, look.Ready, look.Requested, cancel).ConfigureAwait(false);
            return look;
        }
        catch (ControlPlaneException e)
        {
            return new ArchiveLook(0, 0, packs.Count, 0, new JobFailure(ReasonCodes.OffsiteUnavailable, e.Summary, e.Hint), e.IsTransient);
        }
    }
}

/// <summary>Notes how many files are in place.</summary>
/// <param name="archive">Where it is noted.</param>
public sealed class NoteArchiveFiles(ArchiveStore archive)
{
    /// <summary>Safe to repeat.</summary>
    [Function(nameof(NoteArchiveFiles))]
    public Task<int> RunAsync([ActivityTrigger] ArchiveFiles files, CancellationToken cancel) => archive.NoteFilesAsync(new RestoreId(files.Id), files.Restored, cancel);
}

/// <summary>Closes an archive restore. Copies that are complete are kept for a while, since they are paid for; unfinished ones are given up.</summary>
/// <param name="policy">For how long.</param>
/// <param name="tier">The storage.</param>
/// <param name="archive">Where it is kept.</param>
/// <param name="restores">Where the restores themselves are kept.</param>
/// <param name="clock">The control plane's.</param>
public sealed class EndArchiveRestore(PolicyDocument policy, IArchiveTier tier, ArchiveStore archive, RestoreStore restores, TimeProvider clock)
{
    /// <summary>Safe to repeat: the first end stays.</summary>
    /// <returns>How its restore ended, or the worst of a group's.</returns>
    [Function(nameof(EndArchiveRestore))]
    public async Task<RestoreOutcome> RunAsync([ActivityTrigger] ArchiveEnding ending, CancellationToken cancel)
    {
        var id = new RestoreId(ending.Request.Id);
        var outcomes = new List<RestoreOutcome>();
        foreach (var one in ending.Endings)
        {
            outcomes.Add(await new CloseRestore(restores).RunAsync(one, cancel).ConfigureAwait(false));
        }

        var worst = RestoreStates.Worst(ending.Endings, e => e.State);
        var note = NoteOf(ending);
        if (worst.State is "failed" or "cancelled")
        {
            note += await GiveUpUnfinishedAsync(id, cancel).ConfigureAwait(false);
        }

        if (ending.Endings.Any(e => e.Result is not null))
        {
            await archive.NoteFilesAsync(id, ending.Endings.Sum(e => e.Result?.FilesRestored ?? 0), cancel).ConfigureAwait(false);
        }

        await archive.EndAsync(id, Enum.Parse<ArchiveState>(worst.State, ignoreCase: true), note, clock.GetUtcNow() + policy.Archive.KeepCopies, "orchestration", cancel).ConfigureAwait(false);
        return RestoreStates.Worst(outcomes, o => o.State) with { Restore = ending.Request.Id };
    }

    private static string NoteOf(ArchiveEnding ending)
    {
        // Several that were cancelled say it once.
        var reasons = ending.Endings.Zip(ending.Request.Restores)
            .Where(e => e.First.Reason is not null)
            .GroupBy(e => $"{e.First.Reason!.Code}: {e.First.Reason.Text}", e => e.Second.Task.Asset)
            .Select(g => ending.Endings.Length == 1 ? g.Key : $"{string.Join(", ", g)}: {g.Key}")
            .ToArray();
        return reasons.Length > 0 ? string.Join(" ", reasons) : "Everything was restored and verified.";
    }

    private async Task<string> GiveUpUnfinishedAsync(RestoreId id, CancellationToken cancel)
    {
        var known = (await archive.FindAsync(id, cancel).ConfigureAwait(false))!;
        var packs = await archive.PacksAsync(id, cancel).ConfigureAwait(false);
        try
        {
            var states = await ArchivePlans.StatesAsync(tier, known, packs, cancel).ConfigureAwait(false);
            var unfinished = packs.Where((_, i) => states[i]?.Presence is ArchivePresence.Rehydrating).ToArray();
            foreach (var there in unfinished.GroupBy(p => known.Members[p.Member].Place, p => p.Name))
            {
                await tier.RemoveCopiesAsync(ArchivePlace.At(there.Key), [.. there], cancel).ConfigureAwait(false);
            }

            return unfinished.Length > 0 ? $" {unfinished.Length} unfinished copies were given up." : "";
        }
        catch (ControlPlaneException e)
        {
            // They go with the others when these have been kept long enough.
            return $" Unfinished copies are still there: {e.Summary}";
        }
    }
}
