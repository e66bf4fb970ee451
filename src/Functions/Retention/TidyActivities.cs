using Backup.AgentApi;
using Backup.Catalog.Retention;
using Backup.Functions.Agents;
using Backup.Functions.Immutability;
using Backup.Functions.Replication;
using Backup.Policy;
using Backup.Policy.Archive;
using Backup.Policy.Immutability;
using Microsoft.Azure.Functions.Worker;

namespace Backup.Functions.Retention;

/// <summary>Notes snapshots of log that a prune is about to drop, so that they may leave the replicas too.</summary>
/// <param name="removals">Where it is noted.</param>
/// <param name="offsite">Knows containers.</param>
/// <param name="clock">The control plane's.</param>
public sealed class NoteLogRemovals(RemovalStore removals, IOffsiteStore offsite, TimeProvider clock)
{
    /// <summary>
    /// Safe to repeat. Should the prune fail, the vault goes on listing them, and what it lists is never removed. A snapshot that the catalog knows
    /// is no log, whatever the agent says: only a plan drops it.
    /// </summary>
    /// <returns>The snapshots to drop.</returns>
    [Function(nameof(NoteLogRemovals))]
    public async Task<string[]> RunAsync([ActivityTrigger] LogRemovals request, CancellationToken cancel)
    {
        var now = clock.GetUtcNow();
        var known = (await removals.KnownSnapshotsAsync(request.Snapshots, cancel).ConfigureAwait(false)).ToHashSet(StringComparer.Ordinal);
        string[] log = [.. request.Snapshots.Where(id => !known.Contains(id) && OffsiteSurplus.SnapshotName(id) is not null)];
        var objects = log.Select(id => new RemovableObject(OffsiteSurplus.SnapshotName(id)!, 0, now)).ToArray();
        foreach (var place in request.Places)
        {
            await removals.NoteAsync(TidyReplica.PlaceOf(offsite, place), objects, cancel).ConfigureAwait(false);
        }

        return log;
    }
}

/// <summary>Removes from a replica what the vault dropped: given-up snapshots, replaced index objects, and pruned packs whose minimum time is over.</summary>
/// <remarks>
/// (1) what may go: from the catalog and from the vault's own notes (2) what of it is there and in no use (3) which of it is neither locked nor costs an early
/// deletion (4) remove (5) record. Everything it goes by is stored, so it may stop anywhere.
/// </remarks>
/// <param name="policy">Access tiers and prices.</param>
/// <param name="removals">What is noted.</param>
/// <param name="link">The way to the caretaker.</param>
/// <param name="offsite">The only one that may delete there.</param>
/// <param name="immutability">Knows what nobody may delete.</param>
/// <param name="clock">The control plane's.</param>
public sealed class TidyReplica(PolicyDocument policy, RemovalStore removals, IAgentLink link, IOffsiteStore offsite, IImmutability immutability, TimeProvider clock)
{
    /// <summary>Younger manifests may belong to a replication that is not recorded yet.</summary>
    private static readonly TimeSpan ManifestAgeMin = TimeSpan.FromDays(1);

    /// <summary>Noted for what a legal hold keeps: nobody knows when it ends.</summary>
    private static readonly DateTimeOffset NeverKnown = new(9999, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Safe to repeat.</summary>
    [Function(nameof(TidyReplica))]
    public async Task<TidyOutcome> RunAsync([ActivityTrigger] TidyRequest request, CancellationToken cancel)
    {
        var place = PlaceOf(offsite, request.Place);
        try
        {
            var (pruned, silence) = await PrunedAsync(request, cancel).ConfigureAwait(false);                                             // (1)
            return silence is null ? await TidyAsync(request, place, pruned, cancel).ConfigureAwait(false) : new TidyOutcome($"Tier {place.Tier}: not touched.", silence);
        }
        catch (ControlPlaneException e)
        {
            return new TidyOutcome($"Tier {place.Tier}: not touched.", new JobFailure(e.Fault is ControlPlaneFault.ReplicaUnsafe ? ReasonCodes.ReplicaDamaged : ReasonCodes.OffsiteUnavailable, e.Summary, e.Hint));
        }
    }

    internal static ReplicaPlaceId PlaceOf(IOffsiteStore offsite, RetentionPlace place)
    {
        return new ReplicaPlaceId(place.Place.AddressIn(offsite), place.VaultId, new TierName(place.Place.Tier));
    }

    private async Task<TidyOutcome> TidyAsync(TidyRequest request, ReplicaPlaceId place, List<string> pruned, CancellationToken cancel)
    {
        var (manifest, now) = (request.Manifest, clock.GetUtcNow());
        var snapshots = await removals.SnapshotsAsync(place, request.OrderedAt, cancel).ConfigureAwait(false);
        var noted = await removals.ListAsync(place, cancel).ConfigureAwait(false);
        var target = new OffsiteReplica(place.Tier, request.Place.Place.Container, place.VaultId, manifest.ManifestName, manifest.ManifestSha256);
        var surplus = await offsite.SurplusAsync(                                                                                         // (2)
            target, new OffsiteSurplusQuery(snapshots.Live, snapshots.GivenUp, [.. pruned.Concat(noted.Select(n => n.Name)).Distinct(StringComparer.Ordinal)], request.OrderedAt), cancel).ConfigureAwait(false);

        var tier = policy.FindTier(place.Tier);
        var locks = await LocksAsync(place, surplus, cancel).ConfigureAwait(false);                                                       // (3)
        bool IsLocked(TierObject o) => locks.TryGetValue(o.Name, out var found) && found.Holds(now);
        TierObject[] locked = [.. surplus.Metadata.Concat(surplus.DataPacks).Where(IsLocked)];
        var plan = EarlyDeletion.Plan(tier?.AccessTier ?? Policy.AccessTier.Hot, now, [.. surplus.DataPacks.Where(o => !IsLocked(o))], tier?.Prices);
        TierObject[] free = [.. surplus.Metadata.Where(o => !IsLocked(o)), .. plan.DeleteNow];
        await removals.NoteAsync(
            place,
            [
                .. plan.Wait.Select(w => new RemovableObject(w.Object.Name, w.Object.Bytes, w.FreeAt)),
                .. locked.Select(o => new RemovableObject(o.Name, o.Bytes, locks[o.Name].HasLegalHold ? NeverKnown : locks[o.Name].Until!.Value)),
                .. free.Select(o => new RemovableObject(o.Name, o.Bytes, now)),
            ],
            cancel).ConfigureAwait(false);
        string[] remove = [.. free.Select(o => o.Name)];
        await offsite.RemoveAsync(target, remove, cancel).ConfigureAwait(false);                                                          // (4)

        await removals.RecordAsync(place, remove, snapshots.GivenUp, RecordReplica.CopyOf(manifest), request.OrderedAt, "orchestration", cancel).ConfigureAwait(false);    // (5)
        var kept = (await removals.SnapshotsAsync(place, null, cancel).ConfigureAwait(false)).Manifests;
        await offsite.RemoveManifestsAsync(target, [.. kept, manifest.ManifestName], now - ManifestAgeMin, cancel).ConfigureAwait(false);
        return new TidyOutcome(Say(place, remove.Length, plan, tier?.Prices) + SayLocked(locked, locks));
    }

    private async Task<IReadOnlyDictionary<string, ObjectLock>> LocksAsync(ReplicaPlaceId place, OffsiteSurplus surplus, CancellationToken cancel) =>
        surplus.Metadata.Count + surplus.DataPacks.Count == 0 ? new Dictionary<string, ObjectLock>() : await immutability.ListAsync(place, cancel).ConfigureAwait(false);

    private static string SayLocked(TierObject[] locked, IReadOnlyDictionary<string, ObjectLock> locks)
    {
        var held = locked.Count(o => locks[o.Name].HasLegalHold);
        var timed = locked.Where(o => !locks[o.Name].HasLegalHold).Select(o => locks[o.Name].Until!.Value).ToArray();
        return (held == 0 ? "" : FormattableString.Invariant($" {held} objects stay as long as a legal hold stands."))
            + (timed.Length == 0 ? "" : FormattableString.Invariant($" {timed.Length} objects are locked until {timed.Min():yyyy-MM-dd}{(timed.Min().Date == timed.Max().Date ? "" : FormattableString.Invariant($" to {timed.Max():yyyy-MM-dd}"))}."));
    }

    private static string Say(ReplicaPlaceId place, int removed, EarlyDeletionPlan plan, TierPrices? prices)
    {
        var waiting = plan.Wait.Count == 0 ? "" : FormattableString.Invariant(
            $" {plan.Wait.Count} packs wait until {plan.Wait[0].FreeAt:yyyy-MM-dd} or later: deleting them now would be billed all the same{(plan.Penalty is { } cost ? $", {cost:0.00} {prices!.Currency}" : "")}.");
        return $"Tier {place.Tier}: removed {removed} objects.{waiting}";
    }

    /// <summary>What the vault's own notes say was pruned; or why they could not be read.</summary>
    private async Task<(List<string> Names, JobFailure? Failure)> PrunedAsync(TidyRequest request, CancellationToken cancel)
    {
        var names = new List<string>();
        string? after = null;
        do
        {
            var reply = await link.SendAsync(new AgentName(request.Caretaker), OrderId.NewRandom(), new DeletionsQuery { Vault = request.Vault, After = after }, cancel).ConfigureAwait(false);
            if (reply.Answer is not { } page)
            {
                return ([], reply.Failure);
            }

            names.AddRange(page.Names);
            after = page.Next;
        }
        while (after is not null);
        return (names, null);
    }
}
