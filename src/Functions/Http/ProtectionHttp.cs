using Backup.Catalog.RecoveryPoints;
using Backup.Catalog.Replicas;
using Backup.Catalog.Restores;
using Backup.Policy;
using Backup.Policy.Protection;
using Backup.Policy.Retention;
using Backup.Policy.Signals;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Http;

/// <summary>How well an asset is protected, and what its retention rule would do now. Nothing here changes anything.</summary>
/// <param name="policy">What is promised.</param>
/// <param name="points">What can be restored.</param>
/// <param name="replicas">Where copies are.</param>
/// <param name="restores">What was proven.</param>
/// <param name="clock">The control plane's: retention goes by no other.</param>
/// <param name="logger">Hears of failed requests.</param>
public sealed class ProtectionHttp(
    PolicyDocument policy, RecoveryPointStore points, ReplicaStore replicas, RestoreStore restores, TimeProvider clock, ILogger<ProtectionHttp> logger)
{
    /// <summary>How long a strange run keeps the plan frozen: time for people to notice, also when they are away.</summary>
    public static readonly TimeSpan FrozenFor = TimeSpan.FromDays(30);

    private const int DeletionsShownMax = 200;

    /// <summary>The 3-2-1-1-0 rule for the asset's newest recovery point, and signals of its newest run.</summary>
    [Function(nameof(GetProtection))]
    public Task<IResult> GetProtection([HttpTrigger(AuthorizationLevel.Function, "get", Route = "assets/{name}/protection")] HttpRequest request, string name, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var asset = Find(name);
            var list = await points.SummariesAsync(asset.Name, cancel).ConfigureAwait(false);
            var copies = new List<PointCopy>();
            if (list.Count > 0)
            {
                // The vault's own copy is vouched for by the catalog; a replica counts when the control plane has looked at it.
                copies.Add(new PointCopy(asset.Vault.Value, "disk", IsOffsite: false, IsImmutable: false, IsSound: true));
                copies.AddRange((await replicas.ListAsync([list[0].Id], cancel).ConfigureAwait(false))
                    .Select(r => new PointCopy(r.Tier.Value, "azure-blob", IsOffsite: true, IsImmutable: false, IsSound: r.State is ReplicaState.Checked)));
            }

            var proof = await restores.ProofAsync(asset.Name, cancel).ConfigureAwait(false);
            var state = CopyRule.Assess(clock.GetUtcNow(), copies, proof.ProvenAt, proof.FailedSince);
            return HttpAnswer.Ok(new ProtectionView(
                asset.Name.Value, list.Count > 0 ? list[0].Id.Value : null, state.IsKept, state.Copies, state.Media, state.Offsite, state.Immutable, state.Errors,
                state.RestoreProvenAt, state.Missing, [.. SignalsAt(list, 0).Signals.Select(s => new SignalView(s.Kind, s.Value, s.Usual))]));
        });

    /// <summary>What the retention rule would do with the asset's recovery points now. Nothing is deleted.</summary>
    [Function(nameof(GetRetentionPlan))]
    public Task<IResult> GetRetentionPlan([HttpTrigger(AuthorizationLevel.Function, "get", Route = "assets/{name}/retention")] HttpRequest request, string name, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var asset = Find(name);
            var list = await points.SummariesAsync(asset.Name, cancel).ConfigureAwait(false);
            var now = clock.GetUtcNow();
            var isFrozen = Enumerable.Range(0, list.Count).Any(i => now - list[i].PublishedAt < FrozenFor && SignalsAt(list, i).Freezes);
            var plan = RetentionDecider.Decide(
                asset.Name,
                policy.RetentionOf(asset),
                policy.SiteOf(asset).TimeZone,
                now,
                [.. list.Select(p => new RetentionPoint(p.Id.Value, p.Instant, p.PublishedAt, HasLegalHold: asset.LegalHold))],
                isFrozen,
                policy.Retention);
            var deletions = plan.Deletions.ToArray();
            return HttpAnswer.Ok(new RetentionPlanView(
                asset.Name.Value, plan.DecidedAt, plan.Verdicts.Count - deletions.Length, deletions.Length, isFrozen, plan.Refusal, plan.NeedsApproval,
                [.. deletions.Take(DeletionsShownMax).Select(p => new PointView(p.Id, p.Instant))]));
        });

    private Asset Find(string name) =>
        policy.FindAsset(new AssetName(name)) ?? throw HttpInput.NotFound($"The policy has no asset \"{name}\".", "GET /api/assets lists them.");

    /// <summary>What the run of the point at that place of the list showed against those before it.</summary>
    private static SignalVerdict SignalsAt(IReadOnlyList<PointSummary> newestFirst, int place) => place >= newestFirst.Count
        ? new SignalVerdict([], Freezes: false)
        : RansomwareSignals.Assess(Statistics(newestFirst[place]), [.. newestFirst.Skip(place + 1).Take(RansomwareSignals.HistoryMax).Select(Statistics)]);

    private static RunStatistics Statistics(PointSummary point) => new(point.BytesRead, point.BytesNew, point.BytesStored, point.FilesTotal);

    private sealed record SignalView(SignalKind Kind, double Value, double Usual);

    private sealed record PointView(string Id, DateTimeOffset Instant);

    private sealed record ProtectionView(
        string Asset, string? RecoveryPoint, bool IsKept, int Copies, int Media, int Offsite, int Immutable, int? Errors, DateTimeOffset? RestoreProvenAt,
        IReadOnlyList<string> Missing, IReadOnlyList<SignalView> Signals);

    private sealed record RetentionPlanView(
        string Asset, DateTimeOffset DecidedAt, int Kept, int Deleted, bool IsFrozen, PlanRefusal Refusal, bool NeedsApproval, IReadOnlyList<PointView> Deletions);
}
