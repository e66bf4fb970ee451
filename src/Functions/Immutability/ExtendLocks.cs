using Backup.Catalog.Alerts;
using Backup.Catalog.Immutability;
using Backup.Catalog.Retention;
using Backup.Functions.Replication;
using Backup.Policy;
using Backup.Policy.Immutability;
using Microsoft.Azure.Functions.Worker;

namespace Backup.Functions.Immutability;

/// <summary>Looks at a replica's locks, and sets or extends the most urgent of those that are lacking.</summary>
/// <remarks>
/// (1) what is in use: the newest manifest (2) what was promised to living points and is not known to be locked, and what is under legal hold: by their own
/// manifests (3) plan (4) change a batch (5) once nothing is left to change, note the points whose promise is locked (6) keep how far locks reach.
/// </remarks>
/// <param name="policy">What was promised.</param>
/// <param name="locks">What is known.</param>
/// <param name="immutability">Who keeps the locks.</param>
/// <param name="offsite">Reads manifests.</param>
/// <param name="alerts">Where people look.</param>
/// <param name="clock">The control plane's.</param>
public sealed class ExtendLocks(PolicyDocument policy, LockStore locks, IImmutability immutability, IOffsiteStore offsite, AlertStore alerts, TimeProvider clock)
{
    /// <summary>Changes in one go: some seconds of requests.</summary>
    public const int ChangesMax = 1000;

    /// <summary>Points whose manifests are read in one go; the others are seen to by the next.</summary>
    private const int PointsMax = 16;

    private sealed record DuePoint(PointToLock Point, DateTimeOffset Until, bool IsHeld);

    /// <summary>Safe to repeat.</summary>
    [Function(nameof(ExtendLocks))]
    public async Task<LockProgress> RunAsync([ActivityTrigger] LockRequest request, CancellationToken cancel)
    {
        var tier = new TierName(request.Place.Tier);
        if (policy.FindTier(tier)?.Immutable is not { } rule)
        {
            return new LockProgress(0, IsDone: true);
        }

        var place = new ReplicaPlaceId(offsite.AddressOf(tier, request.Place.Container), request.VaultId, tier);
        var subject = $"{tier}/{request.VaultId}";
        try
        {
            var kind = await immutability.KindOfAsync(place, cancel).ConfigureAwait(false);
            if (kind is LockKind.None)
            {
                throw new ControlPlaneException(
                    ControlPlaneFault.OffsiteRefused,
                    $"Tier {tier} is to be immutable, but container {request.Place.Container} has no {(rule.Scope is LockScope.Version ? "version-level immutability" : "retention of its own")}.",
                    rule.Scope is LockScope.Version ? "Make the container with it, and replicate there." : "Whoever manages the storage account sets it.");
            }

            var (progress, coverage) = await ExtendAsync(place, request.Place.Container, rule, cancel).ConfigureAwait(false);
            var note = progress.Problem ?? (progress.IsDone ? "" : "Locks are being set.");
            await locks.RecordAsync(new ReplicaLocks(place, kind, clock.GetUtcNow(), coverage, note), cancel).ConfigureAwait(false);                                          // (6)
            _ = progress.Problem is { } problem
                ? await alerts.RaiseAsync(AlertKind.Immutability, subject, problem, "schedule", cancel).ConfigureAwait(false)
                : await alerts.CloseAsync(AlertKind.Immutability, subject, "Locks are looked after.", "schedule", cancel).ConfigureAwait(false);
            return progress;
        }
        catch (ControlPlaneException e)
        {
            await locks.RecordAsync(new ReplicaLocks(place, LockKind.None, clock.GetUtcNow(), new LockCoverage(0, 0, 0, null), e.Summary), cancel).ConfigureAwait(false);
            await alerts.RaiseAsync(AlertKind.Immutability, subject, $"{e.Summary} {e.Hint}", "schedule", cancel).ConfigureAwait(false);
            return new LockProgress(0, IsDone: true, e.Summary);
        }
    }

    private async Task<(LockProgress Progress, LockCoverage Coverage)> ExtendAsync(ReplicaPlaceId place, string container, LockRule rule, CancellationToken cancel)
    {
        var now = clock.GetUtcNow();
        var points = await locks.PointsAsync(place, cancel).ConfigureAwait(false);
        if (points.Count == 0)
        {
            return (new LockProgress(0, IsDone: true), new LockCoverage(0, 0, 0, null));
        }

        var manifests = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        var inUse = await ObjectsOfAsync(points[0]).ConfigureAwait(false);                                                                   // (1)
        var (due, isAll) = DuePoints(points, now);
        var promises = new List<PromisedObjects>();
        foreach (var (point, until, isHeld) in due)                                                                                           // (2)
        {
            promises.Add(new PromisedObjects(until, isHeld, await ObjectsOfAsync(point).ConfigureAwait(false)));
        }

        if (rule.Scope is LockScope.Container)
        {
            await immutability.RequireContainerAsync(place, rule.LockFor, due.Any(d => d.IsHeld), cancel).ConfigureAwait(false);
        }

        var plan = LockPlanner.Plan(now, rule, inUse, promises, await immutability.ListAsync(place, cancel).ConfigureAwait(false));           // (3)
        if (rule.Scope is LockScope.Container && !plan.Coverage.IsComplete)
        {
            return (new LockProgress(0, IsDone: true, LackOf(plan.Coverage)), plan.Coverage);
        }

        if (!plan.IsDone && rule.Scope is LockScope.Version)
        {
            // Looked at again before it counts: coverage is what the storage says, not what was asked of it. Where nothing could be changed, looking again would change nothing.
            return (await ChangeAsync(place, rule, plan, cancel).ConfigureAwait(false), plan.Coverage);                                       // (4)
        }

        foreach (var (point, until, _) in due.Where(d => d.Until > now))                                                                      // (5)
        {
            await locks.MarkLockedAsync(place, point.RecoveryPoint, until, cancel).ConfigureAwait(false);
        }

        return (new LockProgress(0, isAll), plan.Coverage);

        async Task<IReadOnlyList<string>> ObjectsOfAsync(PointToLock point)
        {
            if (!manifests.TryGetValue(point.ManifestName, out var objects))
            {
                var replica = new OffsiteReplica(place.Tier, container, place.VaultId, point.ManifestName, point.ManifestSha256);
                manifests[point.ManifestName] = objects = await offsite.ObjectsAsync(replica, cancel).ConfigureAwait(false);
            }

            return objects;
        }
    }

    /// <summary>Of a container nothing can be extended for one object: people have to.</summary>
    private static string LackOf(LockCoverage coverage) => FormattableString.Invariant(
        $"{coverage.Objects - coverage.Covered} of {coverage.Objects} objects in use are not locked for as long as they were promised: the container's retention counts from each one's creation. Extend it, or lock each object for itself (scope: version).");

    private async Task<LockProgress> ChangeAsync(ReplicaPlaceId place, LockRule rule, LockPlan plan, CancellationToken cancel)
    {
        var extensions = plan.Extensions.Take(ChangesMax).ToArray();
        var holds = plan.Holds.Take(ChangesMax - extensions.Length).ToArray();
        var releases = plan.Releases.Take(ChangesMax - extensions.Length - holds.Length).ToArray();
        var changed = await immutability.ExtendAsync(place, extensions, rule.IsFinal, cancel).ConfigureAwait(false)
            + await immutability.HoldAsync(place, holds, isHeld: true, cancel).ConfigureAwait(false)
            + await immutability.HoldAsync(place, releases, isHeld: false, cancel).ConfigureAwait(false);
        return changed > 0
            ? new LockProgress(changed, IsDone: false)
            : new LockProgress(0, IsDone: true, $"{extensions.Length + holds.Length + releases.Length} objects that are to be locked are not there. Have the replica verified, which mends it.");
    }

    /// <summary>
    /// Points whose promise is not known to be locked, and of each asset under legal hold the newest point: its manifest lists all that older ones need. So few
    /// manifests are read, and what came after a point was copied is not locked for that point's sake.
    /// </summary>
    private (IReadOnlyList<DuePoint> Points, bool IsAll) DuePoints(IReadOnlyList<PointToLock> points, DateTimeOffset now)
    {
        var seen = new HashSet<AssetName>();
        var due = new List<DuePoint>();
        foreach (var point in points)
        {
            // What left the policy is kept by nothing but its locks.
            if (policy.FindAsset(point.Asset) is not { } asset)
            {
                continue;
            }

            var isHeld = asset.LegalHold && seen.Add(point.Asset);
            var until = LockPlanner.CertainUntil(policy.RetentionOf(asset), point.PublishedAt);
            if (isHeld || (until > now && !(point.LockedUntil >= until)))
            {
                due.Add(new DuePoint(point, until, isHeld));
            }
        }

        // Legal holds are looked at all at once: what is left out would be released. Of the others the oldest go first.
        var promised = due.Where(d => !d.IsHeld).Reverse().ToArray();
        return ([.. due.Where(d => d.IsHeld), .. promised.Take(PointsMax)], promised.Length <= PointsMax);
    }
}
