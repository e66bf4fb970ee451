using Backup.Policy.Immutability;

namespace Backup.Policy.Parsing;

/// <summary>Retention rules of classes, and the guards around deletion.</summary>
internal sealed partial class PolicyBuilder
{
    private static RetentionRule? ReadRetention(MapReader item)
    {
        if (item.Group("retention") is not { } group)
        {
            return null;
        }

        int Count(string key) => group.Number(key, min: 0, max: PolicyLimits.KeepCountMax) ?? 0;
        TimeSpan Time(string key) => group.Duration(key, required: false, TimeSpan.FromHours(1)) ?? TimeSpan.Zero;
        var rule = new RetentionRule
        {
            // Zero is refused: a rule never takes an asset's last point.
            KeepLast = group.Number("keepLast", min: 1, max: PolicyLimits.KeepCountMax) ?? 1,
            KeepHourly = Count("keepHourly"),
            KeepDaily = Count("keepDaily"),
            KeepWeekly = Count("keepWeekly"),
            KeepMonthly = Count("keepMonthly"),
            KeepYearly = Count("keepYearly"),
            KeepWithin = Time("keepWithin"),
            ImmutableFor = Time("immutableFor"),
            ContinuousFor = Time("continuousFor"),
        };
        group.RefuseUnknownKeys();
        return rule;
    }

    private static LockRule? ReadLockRule(MapReader item)
    {
        if (item.Group("immutable") is not { } group)
        {
            return null;
        }

        var lockFor = group.Duration("lockFor", required: true, PolicyLimits.LockMin);
        var isFinal = group.OneOf("mode", required: false, ("locked", true), ("unlocked", false));
        var scope = group.OneOf("scope", required: false, ("version", LockScope.Version), ("container", LockScope.Container));
        group.RefuseUnknownKeys();
        return new LockRule(lockFor ?? PolicyLimits.LockMin, isFinal ?? true) { Scope = scope ?? LockScope.Version };
    }

    private static RetentionGuards ReadGuards(MapReader root)
    {
        if (root.Group("retention") is not { } group)
        {
            return RetentionGuards.Standard;
        }

        var guards = new RetentionGuards
        {
            ApprovalAbovePoints = group.Number("approvalAbovePoints", min: 0, max: PolicyLimits.KeepCountMax) ?? RetentionGuards.Standard.ApprovalAbovePoints,
            ShareMax = (group.Number("percentMax", min: 1, max: 99) ?? RetentionGuards.Standard.ShareMax * 100) / 100,
        };
        group.RefuseUnknownKeys();
        return guards;
    }
}
