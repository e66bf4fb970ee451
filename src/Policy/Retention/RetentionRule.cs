namespace Backup.Policy;

/// <summary>
/// What is kept of an asset's recovery points. A point stays when any of these wants it; days, weeks, months and years are those
/// of the site's time zone, weeks begin on Monday, and of each period the newest point is the one that is kept.
/// </summary>
public sealed record RetentionRule
{
    /// <summary>The newest points, whatever their age. At least 1: an asset never loses its last point by a rule.</summary>
    public required int KeepLast { get; init; }

    /// <summary>Of this many hours that have a point, one point each.</summary>
    public int KeepHourly { get; init; }

    /// <summary>…days.</summary>
    public int KeepDaily { get; init; }

    /// <summary>…weeks.</summary>
    public int KeepWeekly { get; init; }

    /// <summary>…months.</summary>
    public int KeepMonthly { get; init; }

    /// <summary>…years.</summary>
    public int KeepYearly { get; init; }

    /// <summary>Every point younger than this; zero for none.</summary>
    public TimeSpan KeepWithin { get; init; }

    /// <summary>
    /// No point younger than this is ever deleted, not even by force: published data. Zero for no such promise. It counts from
    /// the moment the control plane published the point.
    /// </summary>
    public TimeSpan ImmutableFor { get; init; }

    /// <summary>
    /// Databases only: any moment of this time back from now stays restorable, so the base backup before it and the log from
    /// there on stay as well. Zero for none.
    /// </summary>
    public TimeSpan ContinuousFor { get; init; }

    /// <summary>What both rules promise: an asset is kept as its service class and as its data class want it.</summary>
    public static RetentionRule Both(RetentionRule a, RetentionRule b) => new()
    {
        KeepLast = Math.Max(a.KeepLast, b.KeepLast),
        KeepHourly = Math.Max(a.KeepHourly, b.KeepHourly),
        KeepDaily = Math.Max(a.KeepDaily, b.KeepDaily),
        KeepWeekly = Math.Max(a.KeepWeekly, b.KeepWeekly),
        KeepMonthly = Math.Max(a.KeepMonthly, b.KeepMonthly),
        KeepYearly = Math.Max(a.KeepYearly, b.KeepYearly),
        KeepWithin = a.KeepWithin > b.KeepWithin ? a.KeepWithin : b.KeepWithin,
        ImmutableFor = a.ImmutableFor > b.ImmutableFor ? a.ImmutableFor : b.ImmutableFor,
        ContinuousFor = a.ContinuousFor > b.ContinuousFor ? a.ContinuousFor : b.ContinuousFor,
    };
}

/// <summary>When a retention plan needs two persons, and when it is refused unless forced.</summary>
public sealed record RetentionGuards
{
    /// <summary>The guards of a policy that states none.</summary>
    public static readonly RetentionGuards Standard = new();

    /// <summary>A plan that deletes more points than this waits for the approval of two persons.</summary>
    public int ApprovalAbovePoints { get; init; } = 50;

    /// <summary>A plan that deletes a larger share of an asset's points than this is refused unless forced: a mistyped rule looks like that.</summary>
    public double ShareMax { get; init; } = 0.5;
}
