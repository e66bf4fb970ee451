using Backup.Catalog.Archive;
using Backup.Functions.Archive;
using Backup.Policy;
using Microsoft.AspNetCore.Http;

namespace Backup.Functions.Http;

/// <summary>Looks at the storage again before an archive restore starts: copies that its plan counts on may be gone by then, and what they cost was shown to nobody.</summary>
/// <param name="policy">The prices now.</param>
/// <param name="tier">The storage.</param>
/// <param name="archive">Where plans are kept.</param>
public sealed class ArchiveReplanning(PolicyDocument policy, IArchiveTier tier, ArchiveStore archive)
{
    /// <summary>Plans anew, and refuses this start, when more has to be brought back than the plan says.</summary>
    /// <exception cref="HttpProblemException">The plan is another now, a pack is not there, or the storage cannot be looked at.</exception>
    internal async Task RefuseIfMoreIsNeededAsync(ArchiveRestore restore, string actor, CancellationToken cancel)
    {
        if (restore is not { State: ArchiveState.Planned, Plan: { } plan })
        {
            return;
        }

        var packs = await archive.PacksAsync(restore.Id, cancel).ConfigureAwait(false);
        try
        {
            var (states, lost) = await ArchivePlans.LookAsync(tier, restore, packs, cancel).ConfigureAwait(false);
            if (lost is not null)
            {
                throw HttpInput.Conflict(lost.Text, lost.Hint);
            }

            // A copy that is being made for another restore is paid for already.
            if (states.Where(s => s.Presence is ArchivePresence.Archived).Sum(s => s.Bytes) <= plan.BytesArchived)
            {
                return;
            }

            var now = ArchivePlans.Of(policy, restore.Tier, plan.Files, plan.FileBytes, packs, states);
            await archive.ReplanAsync(restore.Id, now, actor, cancel).ConfigureAwait(false);
            throw HttpInput.Conflict(
                $"Copies that the plan of {restore.Id} counted on are gone: {now.PacksArchived} packs have to be brought back now, not {plan.PacksArchived}. It was planned anew.",
                $"GET /api/archive-restores/{restore.Id} shows what it costs now. Approve it again where that is needed, then start it.");
        }
        catch (ControlPlaneException e)
        {
            throw new HttpProblemException(StatusCodes.Status503ServiceUnavailable, e.Summary, e.Hint);
        }
    }
}
