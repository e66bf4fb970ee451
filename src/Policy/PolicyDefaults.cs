namespace Backup.Policy;

/// <summary>The classes of REQUIREMENTS.md, which a policy file may override or add to.</summary>
public static class PolicyDefaults
{
    /// <summary>Backups that one agent runs at once unless its entry says otherwise.</summary>
    public const int AgentConcurrency = 2;

    /// <summary>The priority of a class that states none and is not one of the four.</summary>
    public const int Priority = 5;

    /// <summary>Objectives from "quarter of an hour lost at most" to "a day".</summary>
    public static readonly IReadOnlyList<ServiceClass> ServiceClasses =
    [
        new(new("critical"), Rto: TimeSpan.FromHours(1), Rpo: TimeSpan.FromMinutes(15)) { Priority = 1, IgnoresBlackout = true },
        new(new("research"), Rto: TimeSpan.FromHours(4), Rpo: TimeSpan.FromHours(1)) { Priority = 3 },
        new(new("development"), Rto: TimeSpan.FromHours(8), Rpo: TimeSpan.FromHours(4)) { Priority = 5 },
        new(new("archival"), Rto: TimeSpan.FromHours(24), Rpo: TimeSpan.FromHours(24)) { Priority = 7 },
    ];

    /// <summary>Active and published research, collaborative work, archives. Tiers are the site's own, so none is assumed.</summary>
    public static readonly IReadOnlyList<DataClass> DataClasses =
    [
        new(new("active"), []),
        new(new("published"), []),
        new(new("collaborative"), []),
        new(new("archival"), []),
    ];
}
