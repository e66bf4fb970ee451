using Backup.AgentApi;
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

/// <summary>Turns a survey into a plan: what the storage says of its packs, the hours, and the costs by the policy's prices.</summary>
/// <param name="policy">Prices and limits.</param>
/// <param name="link">The way to the agent, which keeps the packs' names.</param>
/// <param name="tier">The storage.</param>
/// <param name="archive">Where plans are kept.</param>
public sealed class PlanArchiveRestore(PolicyDocument policy, IAgentLink link, IArchiveTier tier, ArchiveStore archive)
{
    /// <summary>More packs are a plan nobody can look through: 24 TB as a rule.</summary>
    private const int PacksMax = 1_000_000;

    /// <summary>Safe to repeat: the first plan stays.</summary>
    /// <returns>The state.</returns>
    [Function(nameof(PlanArchiveRestore))]
    public async Task<string> RunAsync([ActivityTrigger] SurveyEnding survey, CancellationToken cancel)
    {
        var id = new RestoreId(survey.Request.Id);
        if (survey.Report?.Survey is not { } found)
        {
            return await FailAsync(id, survey.Failure ?? new JobFailure(ReasonCodes.ReceiptRefused, "The agent's receipt holds no survey.", "Check the agent's version."), cancel).ConfigureAwait(false);
        }

        if (found.Packs > PacksMax)
        {
            return await FailAsync(id, new JobFailure(ReasonCodes.Internal, $"The restore reads {found.Packs} packs; a plan holds at most {PacksMax}.", "Restore it in parts, by \"include\"."), cancel).ConfigureAwait(false);
        }

        try
        {
            var (names, silence) = await NamesAsync(survey, found.Packs, cancel).ConfigureAwait(false);
            if (silence is not null || names.Count != found.Packs)
            {
                return await FailAsync(id, silence ?? new JobFailure(ReasonCodes.ReceiptRefused, $"The agent named {names.Count} of {found.Packs} packs.", "Plan the restore again."), cancel).ConfigureAwait(false);
            }

            var states = await tier.LookAsync(AdvanceRehydration.PlaceOf(survey.Request), cancel).ConfigureAwait(false);
            if (names.Find(name => !states.ContainsKey(name)) is { } lost)
            {
                return await FailAsync(id, new JobFailure(ReasonCodes.ReplicaDamaged, $"The replica lacks {lost}, which the restore needs.", "Have the replica verified and mended, or restore from another tier."), cancel).ConfigureAwait(false);
            }

            var packs = names.ConvertAll(name => new PackNeeded(name, states[name].Bytes, states[name].Presence is ArchivePresence.Online));
            return (await archive.PlanAsync(id, PlanOf(survey.Request, found, packs), [.. packs.Select(p => new ArchivePack(p.Name, p.Bytes))], cancel).ConfigureAwait(false)).State.ToString();
        }
        catch (ControlPlaneException e)
        {
            return await FailAsync(id, new JobFailure(ReasonCodes.OffsiteUnavailable, e.Summary, e.Hint), cancel).ConfigureAwait(false);
        }
    }

    private ArchivePlan PlanOf(ArchiveRequest request, SurveyResult found, List<PackNeeded> packs)
    {
        var prices = policy.FindTier(new TierName(request.Restore.Task.From!.Tier))?.Prices;
        var plans = Enum.GetValues<RehydrationPriority>().Select(priority => ArchiveRestorePlanner.Plan(packs, priority, prices, policy.Archive.KeepCopies)).ToArray();
        var cold = packs.Count(p => !p.IsReady);
        return new ArchivePlan(
            found.Files,
            found.Bytes,
            packs.Count,
            plans[0].BytesTotal,
            cold,
            plans[0].BytesRehydrated,
            prices?.Currency,
            [.. plans.Select(p => new ArchiveOffer(p.Priority, p.HoursMax, p.Cost, cold > 0 && policy.Archive.NeedsApproval(p.Cost) ? ArchiveMargins.ApprovalsNeeded : 0))]);
    }

    /// <summary>The names of the survey's packs, not many more of them than it counted; or why they are not known.</summary>
    private async Task<(List<string> Names, JobFailure? Silence)> NamesAsync(SurveyEnding survey, int packs, CancellationToken cancel)
    {
        var names = new List<string>();
        for (var more = true; more && names.Count <= packs;)
        {
            var query = new SurveyPacksQuery { OrderId = survey.Report!.OrderId, Skip = names.Count };
            var reply = await link.SendAsync(new AgentName(survey.Request.Restore.Agent), OrderId.NewRandom(), query, cancel).ConfigureAwait(false);
            if (reply.Answer is not { } page)
            {
                return (names, reply.Failure);
            }

            names.AddRange(page.Names);
            more = page.Names.Count == SurveyPacksQuery.PageItemsMax;
        }

        return (names, null);
    }

    private async Task<string> FailAsync(RestoreId id, JobFailure why, CancellationToken cancel) =>
        (await archive.EndAsync(id, ArchiveState.Failed, $"{why.Code}: {why.Text} {why.Hint}", null, "orchestration", cancel).ConfigureAwait(false)).State.ToString();
}

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
        var place = ArchivePlace.At(known.Place);
        try
        {
            var states = await tier.LookAsync(place, cancel).ConfigureAwait(false);
            var lost = packs.Count(p => !states.ContainsKey(p.Name));
            if (lost > 0)
            {
                return new ArchiveLook(0, 0, 0, lost, new JobFailure(ReasonCodes.ReplicaDamaged, $"The replica lacks {lost} packs that the restore needs.", "Have the replica verified and mended, or restore from another tier."));
            }

            var archived = packs.Where(p => states[p.Name].Presence is ArchivePresence.Archived).ToArray();
            string[] batch = [.. archived.Take(ArchiveRestorePlanner.BatchPacksMax).Select(p => p.Name)];
            if (batch.Length > 0)
            {
                await tier.RequestAsync(place, batch, priority, cancel).ConfigureAwait(false);
            }

            var ready = packs.Count(p => states[p.Name].Presence is ArchivePresence.Online);
            var look = new ArchiveLook(ready, packs.Count - ready - archived.Length + batch.Length, archived.Length - batch.Length, 0);
            await archive.NoteProgressAsync(id, look.Ready, look.Requested, cancel).ConfigureAwait(false);
            return look;
        }
        catch (ControlPlaneException e)
        {
            return new ArchiveLook(0, 0, packs.Count, 0, new JobFailure(ReasonCodes.OffsiteUnavailable, e.Summary, e.Hint), e.IsTransient);
        }
    }

    internal static ArchivePlace PlaceOf(ArchiveRequest request)
    {
        var from = request.Restore.Task.From!;
        return new ArchivePlace(new TierName(from.Tier), from.Container, request.Restore.Task.VaultId);
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
/// <param name="restores">Where the restore itself is kept.</param>
/// <param name="clock">The control plane's.</param>
public sealed class EndArchiveRestore(PolicyDocument policy, IArchiveTier tier, ArchiveStore archive, RestoreStore restores, TimeProvider clock)
{
    /// <summary>Safe to repeat: the first end stays.</summary>
    [Function(nameof(EndArchiveRestore))]
    public async Task<RestoreOutcome> RunAsync([ActivityTrigger] ArchiveEnding ending, CancellationToken cancel)
    {
        var outcome = await new CloseRestore(restores).RunAsync(ending.Ending, cancel).ConfigureAwait(false);
        var id = new RestoreId(ending.Request.Id);
        var note = ending.Ending.Reason is { } reason ? $"{reason.Code}: {reason.Text}" : "Everything was restored and verified.";
        if (ending.Ending.State is "failed" or "cancelled")
        {
            note += await GiveUpUnfinishedAsync(ending.Request, id, cancel).ConfigureAwait(false);
        }

        if (ending.Ending.Result is { } result)
        {
            await archive.NoteFilesAsync(id, result.FilesRestored, cancel).ConfigureAwait(false);
        }

        await archive.EndAsync(
            id, Enum.Parse<ArchiveState>(ending.Ending.State, ignoreCase: true), note, clock.GetUtcNow() + policy.Archive.KeepCopies, "orchestration", cancel).ConfigureAwait(false);
        return outcome;
    }

    private async Task<string> GiveUpUnfinishedAsync(ArchiveRequest request, RestoreId id, CancellationToken cancel)
    {
        var place = AdvanceRehydration.PlaceOf(request);
        try
        {
            var states = await tier.LookAsync(place, cancel).ConfigureAwait(false);
            string[] unfinished = [.. (await archive.PacksAsync(id, cancel).ConfigureAwait(false)).Select(p => p.Name).Where(name => states.TryGetValue(name, out var state) && state.Presence is ArchivePresence.Rehydrating)];
            await tier.RemoveCopiesAsync(place, unfinished, cancel).ConfigureAwait(false);
            return unfinished.Length > 0 ? $" {unfinished.Length} unfinished copies were given up." : "";
        }
        catch (ControlPlaneException e)
        {
            // They go with the others when these have been kept long enough.
            return $" Unfinished copies are still there: {e.Summary}";
        }
    }
}
