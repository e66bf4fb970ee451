namespace Backup.Policy;

/// <summary>Sizes beyond which a policy is refused, so that a damaged or hostile file cannot take memory or time without bound.</summary>
public static class PolicyLimits
{
    /// <summary>Bytes of a policy file.</summary>
    public const int FileBytesMax = 1024 * 1024;

    /// <summary>Entries of any one list (assets, agents, paths…).</summary>
    public const int ListLengthMax = 10_000;

    /// <summary>Levels of nesting; the deepest valid policy needs five.</summary>
    public const int DepthMax = 16;

    /// <summary>Characters of a name. Names become parts of instance ids (100 characters in Durable Functions) and of container names.</summary>
    public const int NameLengthMax = 40;

    /// <summary>Problems reported for one file; the reader has enough to do by then.</summary>
    public const int ProblemsMax = 200;

    /// <summary>Backups that one agent may run at once.</summary>
    public const int ConcurrencyMax = 64;

    /// <summary>Backups that all agents of one site may run at once.</summary>
    public const int SiteConcurrencyMax = 4096;

    /// <summary>The last priority; 1 is the first.</summary>
    public const int PriorityMax = 9;

    /// <summary>The largest number in a retention rule.</summary>
    public const int KeepCountMax = 100_000;

    /// <summary>The longest time in days within which everything off-site is read once.</summary>
    public const int VerifyWithinDaysMax = 366;

    /// <summary>Copies that a class may want, the vault's own included.</summary>
    public const int CopiesMax = 10;

    /// <summary>The most a tier may be said to hold, in units of 10^9 bytes.</summary>
    public const int TierGigabytesMax = 100_000_000;

    /// <summary>Characters of a relay path: what Azure takes for the name of a hybrid connection.</summary>
    public const int RelayPathLengthMax = 260;

    /// <summary>Hooks before, and hooks after, a backup; also of all assets together that a group has at one agent, since one order holds them.</summary>
    public const int HooksMax = 16;

    /// <summary>Characters of a path or a pattern: what Linux takes.</summary>
    public const int PathCharsMax = 4096;

    /// <summary>
    /// Bytes of an asset's paths, patterns and databases, and again of its checks, as they are written in an order: one may have 256 KiB, in which there is more than these.
    /// </summary>
    public const int AssetBytesMax = 192 * 1024;

    /// <summary>Bytes of a database's name: what PostgreSQL takes.</summary>
    public const int DatabaseBytesMax = 63;

    /// <summary>The most of a table that is read to record its rows, in MiB: 1 TiB.</summary>
    public const int RecordMebibytesMax = 1 << 20;

    /// <summary>Characters of a check's statement, and of the answer that it expects: what an order carries.</summary>
    public const int SqlCharsMax = 4096;

    /// <summary>The longest that a proof or a check may take.</summary>
    public static readonly TimeSpan ProofTimeMax = TimeSpan.FromDays(1);

    /// <summary>The shortest time that a group may be held.</summary>
    public static readonly TimeSpan HoldMin = TimeSpan.FromSeconds(1);

    /// <summary>The longest time that a group may be held.</summary>
    public static readonly TimeSpan HoldMax = TimeSpan.FromDays(1);

    /// <summary>The highest price.</summary>
    public const decimal PriceMax = 1_000_000;

    /// <summary>The shortest lock: extended at half of it, it outlasts a control plane that is away for half a day.</summary>
    public static readonly TimeSpan LockMin = TimeSpan.FromDays(1);

    /// <summary>The shortest recovery point objective: below it the timer's one-minute tick could not keep the promise.</summary>
    public static readonly TimeSpan ObjectiveMin = TimeSpan.FromMinutes(2);

    /// <summary>The longest objective and the longest of any duration.</summary>
    public static readonly TimeSpan DurationMax = TimeSpan.FromDays(366 * 10);
}
