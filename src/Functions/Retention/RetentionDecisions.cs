using Backup.Catalog.RecoveryPoints;
using Backup.Catalog.Signals;
using Backup.Policy;
using Backup.Policy.Retention;

namespace Backup.Functions.Retention;

/// <summary>Decides what retention would do with an asset now: by the policy, the catalog and the control plane's clock, nothing else.</summary>
/// <param name="policy">What is kept.</param>
/// <param name="points">What there is.</param>
/// <param name="signals">What is frozen.</param>
/// <param name="clock">The control plane's.</param>
public sealed class RetentionDecisions(PolicyDocument policy, RecoveryPointStore points, SignalStore signals, TimeProvider clock)
{
    /// <summary>The decision of this moment.</summary>
    public async Task<(RetentionPlan Plan, AssetFreeze? Freeze)> DecideAsync(Asset asset, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(asset);
        var list = await points.SummariesAsync(asset.Name, cancel).ConfigureAwait(false);
        var freeze = await signals.FindFreezeAsync(asset.Name, cancel).ConfigureAwait(false);
        return (RetentionDecider.Decide(
            asset.Name,
            policy.RetentionOf(asset),
            policy.SiteOf(asset).TimeZone,
            clock.GetUtcNow(),
            [.. list.Select(p => new RetentionPoint(p.Id.Value, p.Instant, p.PublishedAt, HasLegalHold: asset.LegalHold))],
            freeze is not null,
            policy.Retention), freeze);
    }
}
