using Backup.Catalog.Groups;
using Backup.Catalog.RecoveryPoints;
using Backup.Catalog.Signals;
using Backup.Policy;
using Backup.Policy.Retention;

namespace Backup.Functions.Retention;

/// <summary>Decides what retention would do with an asset now: by the policy, the catalog and the control plane's clock, nothing else.</summary>
/// <param name="policy">What is kept.</param>
/// <param name="points">What there is.</param>
/// <param name="groups">What belongs together.</param>
/// <param name="signals">What is frozen.</param>
/// <param name="clock">The control plane's.</param>
public sealed class RetentionDecisions(PolicyDocument policy, RecoveryPointStore points, GroupPointStore groups, SignalStore signals, TimeProvider clock)
{
    /// <summary>The decision of this moment.</summary>
    public async Task<(RetentionPlan Plan, AssetFreeze? Freeze)> DecideAsync(Asset asset, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(asset);
        var freeze = await signals.FindFreezeAsync(asset.Name, cancel).ConfigureAwait(false);
        var (others, units) = await TiedToAsync(asset, cancel).ConfigureAwait(false);
        var cases = new List<RetentionCase> { await CaseAsync(asset, freeze, cancel).ConfigureAwait(false) };
        foreach (var other in others)
        {
            cases.Add(await CaseAsync(other, await signals.FindFreezeAsync(other.Name, cancel).ConfigureAwait(false), cancel).ConfigureAwait(false));
        }

        return (GroupRetention.Decide(cases, units, clock.GetUtcNow(), policy.Retention)[0], freeze);
    }

    /// <summary>The assets whose points belong together with points of this one, directly or through others, and how.</summary>
    private async Task<(List<Asset> Others, List<IReadOnlyCollection<PointOfAsset>> Units)> TiedToAsync(Asset asset, CancellationToken cancel)
    {
        var known = new HashSet<AssetName> { asset.Name };
        IReadOnlyList<GroupPoint> living;
        int before;
        do
        {
            before = known.Count;
            living = await groups.LivingOfAsync(known, cancel).ConfigureAwait(false);
            known.UnionWith(living.SelectMany(g => g.Members).Select(m => m.Asset));
        }
        while (known.Count > before);

        return (
            [.. known.Where(name => name != asset.Name).Select(policy.FindAsset).OfType<Asset>()],
            [.. living.Select(g => (IReadOnlyCollection<PointOfAsset>)[.. g.Members.Select(m => new PointOfAsset(m.Asset, m.RecoveryPoint.Value))])]);
    }

    private async Task<RetentionCase> CaseAsync(Asset asset, AssetFreeze? freeze, CancellationToken cancel)
    {
        var list = await points.SummariesAsync(asset.Name, cancel).ConfigureAwait(false);
        return new RetentionCase(
            asset.Name,
            policy.RetentionOf(asset),
            policy.SiteOf(asset).TimeZone,
            [.. list.Select(p => new RetentionPoint(p.Id.Value, p.Instant, p.PublishedAt, HasLegalHold: asset.LegalHold, LogUntil: p.LogUntil))],
            freeze is not null);
    }
}
