namespace Backup.Policy.Retention;

/// <summary>One asset to decide about, with what <see cref="RetentionDecider.Decide"/> takes.</summary>
/// <param name="Asset">Whose points.</param>
/// <param name="Rule">What is kept.</param>
/// <param name="Zone">The site's.</param>
/// <param name="Points">All points of the asset.</param>
/// <param name="IsFrozen">True: nothing goes.</param>
public sealed record RetentionCase(AssetName Asset, RetentionRule Rule, TimeZoneInfo Zone, IReadOnlyCollection<RetentionPoint> Points, bool IsFrozen = false);

/// <summary>A point of one asset, by its id.</summary>
public readonly record struct PointOfAsset(AssetName Asset, string Point);

/// <summary>Decides about assets whose points belong together: a group point stays as a whole as long as anybody wants one of its members. Pure.</summary>
public static class GroupRetention
{
    /// <summary>Decides.</summary>
    /// <param name="cases">The assets; each once.</param>
    /// <param name="units">Points that belong together. Members of assets that are not decided about want nothing.</param>
    /// <param name="now">The control plane's clock.</param>
    /// <param name="guards">The standard ones unless given.</param>
    /// <returns>A plan of each asset, in the order of the cases.</returns>
    public static IReadOnlyList<RetentionPlan> Decide(
        IReadOnlyList<RetentionCase> cases, IReadOnlyCollection<IReadOnlyCollection<PointOfAsset>> units, DateTimeOffset now, RetentionGuards? guards = null)
    {
        ArgumentNullException.ThrowIfNull(cases);
        ArgumentNullException.ThrowIfNull(units);
        var wanted = cases.ToDictionary(c => c.Asset, _ => new HashSet<string>(StringComparer.Ordinal));
        while (true)
        {
            var plans = cases.Select(c => RetentionDecider.Decide(c.Asset, c.Rule, c.Zone, now, c.Points, c.IsFrozen, guards, wanted[c.Asset])).ToArray();
            var kept = plans.SelectMany(p => p.Verdicts.Where(v => v.IsKept).Select(v => new PointOfAsset(p.Asset, v.Point.Id))).ToHashSet();
            var isComplete = true;
            foreach (var member in units.Where(unit => unit.Any(kept.Contains)).SelectMany(unit => unit).Where(member => !kept.Contains(member) && wanted.ContainsKey(member.Asset)))
            {
                // What stays may need others in turn, which may belong to further groups: decided again until nothing changes. It only ever grows, so it ends.
                isComplete &= !wanted[member.Asset].Add(member.Point);
            }

            if (isComplete)
            {
                return plans;
            }
        }
    }
}
