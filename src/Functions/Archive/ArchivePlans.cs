using Backup.Catalog.Archive;
using Backup.Functions.Agents;
using Backup.Policy;
using Backup.Policy.Archive;

namespace Backup.Functions.Archive;

/// <summary>What a restore from an archive tier takes as things stand: its packs as the storage has them, and the policy's prices.</summary>
internal static class ArchivePlans
{
    /// <summary>Each pack as the storage has it, in the packs' order; null for one that is not there. Every place is looked at once.</summary>
    /// <exception cref="ControlPlaneException">The storage cannot be reached or refuses.</exception>
    public static async Task<ArchivedPackState?[]> StatesAsync(IArchiveTier tier, ArchiveRestore restore, IReadOnlyList<ArchivePack> packs, CancellationToken cancel)
    {
        var seen = new Dictionary<ArchivePlace, IReadOnlyDictionary<string, ArchivedPackState>>();
        foreach (var place in packs.Select(p => ArchivePlace.At(restore.Members[p.Member].Place)).Distinct())
        {
            seen[place] = await tier.LookAsync(place, cancel).ConfigureAwait(false);
        }

        return [.. packs.Select(p => seen[ArchivePlace.At(restore.Members[p.Member].Place)].GetValueOrDefault(p.Name))];
    }

    /// <summary>As <see cref="StatesAsync"/>; or which pack is not there.</summary>
    /// <exception cref="ControlPlaneException">The storage cannot be reached or refuses.</exception>
    public static async Task<(IReadOnlyList<ArchivedPackState> States, JobFailure? Lost)> LookAsync(IArchiveTier tier, ArchiveRestore restore, IReadOnlyList<ArchivePack> packs, CancellationToken cancel)
    {
        var states = await StatesAsync(tier, restore, packs, cancel).ConfigureAwait(false);
        var lost = Array.FindIndex(states, s => s is null);
        return lost < 0
            ? ([.. states.Select(s => s!)], null)
            : ([], new JobFailure(
                ReasonCodes.ReplicaDamaged, $"The replica of {restore.Members[packs[lost].Member].Asset} lacks {packs[lost].Name}, which the restore needs.", "Have the replica verified and mended, or restore from another tier."));
    }

    /// <summary>The plan. Pure.</summary>
    public static ArchivePlan Of(PolicyDocument policy, TierName tier, long files, long bytes, IReadOnlyList<ArchivePack> packs, IReadOnlyList<ArchivedPackState> states)
    {
        var needs = packs.Zip(states, (pack, state) => new PackNeeded(pack.Name, state.Bytes, state.Presence is ArchivePresence.Online)).ToArray();
        var prices = policy.FindTier(tier)?.Prices;
        var plans = Enum.GetValues<RehydrationPriority>().Select(priority => ArchiveRestorePlanner.Plan(needs, priority, prices, policy.Archive.KeepCopies)).ToArray();
        var cold = needs.Count(p => !p.IsReady);
        return new ArchivePlan(
            files,
            bytes,
            packs.Count,
            plans[0].BytesTotal,
            cold,
            plans[0].BytesRehydrated,
            prices?.Currency,
            [.. plans.Select(p => new ArchiveOffer(p.Priority, p.HoursMax, p.Cost, cold > 0 && policy.Archive.NeedsApproval(p.Cost) ? ArchiveMargins.ApprovalsNeeded : 0))]);
    }
}
