namespace Backup.Policy;

/// <summary>The classes of REQUIREMENTS.md, which a policy file may override or add to.</summary>
public static class PolicyDefaults
{
    /// <summary>Backups that one agent runs at once unless its entry says otherwise.</summary>
    public const int AgentConcurrency = 2;

    /// <summary>The priority of a class that states none and is not one of the four.</summary>
    public const int Priority = 5;

    /// <summary>Days within which everything off-site is read once, unless the policy says otherwise.</summary>
    public const int VerifyWithinDays = 30;

    /// <summary>How long a group's applications may be held still, unless the group says otherwise.</summary>
    public static readonly TimeSpan HoldLimit = TimeSpan.FromHours(1);

    /// <summary>The retention of an added class that states none.</summary>
    public static readonly RetentionRule Retention = new() { KeepLast = 2, KeepDaily = 14, KeepWeekly = 8, KeepMonthly = 12 };

    /// <summary>Objectives from "quarter of an hour lost at most" to "a day".</summary>
    public static readonly IReadOnlyList<ServiceClass> ServiceClasses =
    [
        new(new("critical"), Rto: TimeSpan.FromHours(1), Rpo: TimeSpan.FromMinutes(15))
        {
            Priority = 1,
            IgnoresBlackout = true,
            Retention = new RetentionRule { KeepLast = 8, KeepHourly = 24, KeepDaily = 14, KeepWeekly = 8, KeepMonthly = 12, ContinuousFor = TimeSpan.FromDays(7) },
        },
        new(new("research"), Rto: TimeSpan.FromHours(4), Rpo: TimeSpan.FromHours(1))
        {
            Priority = 3,
            Retention = new RetentionRule { KeepLast = 4, KeepHourly = 24, KeepDaily = 14, KeepWeekly = 8, KeepMonthly = 12, ContinuousFor = TimeSpan.FromDays(7) },
        },
        new(new("development"), Rto: TimeSpan.FromHours(8), Rpo: TimeSpan.FromHours(4))
        {
            Priority = 5,
            Retention = new RetentionRule { KeepLast = 2, KeepDaily = 7, KeepWeekly = 4 },
        },
        new(new("archival"), Rto: TimeSpan.FromHours(24), Rpo: TimeSpan.FromHours(24))
        {
            Priority = 7,
            Retention = new RetentionRule { KeepLast = 2, KeepDaily = 7, KeepWeekly = 4, KeepMonthly = 12, KeepYearly = 3 },
        },
    ];

    /// <summary>Active and published research, collaborative work, archives. Tiers are the site's own, so none is assumed.</summary>
    public static readonly IReadOnlyList<DataClass> DataClasses =
    [
        new(new("active"), []) { Retention = new RetentionRule { KeepLast = 1 } },
        new(new("published"), []) { Retention = new RetentionRule { KeepLast = 1, KeepYearly = 10, ImmutableFor = TimeSpan.FromDays(3650) } },
        new(new("collaborative"), []) { Retention = new RetentionRule { KeepLast = 4, KeepDaily = 30, KeepWeekly = 12 } },
        new(new("archival"), []) { Retention = new RetentionRule { KeepLast = 1, KeepYearly = 10 } },
    ];
}
