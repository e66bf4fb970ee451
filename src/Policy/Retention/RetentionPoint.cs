namespace Backup.Policy.Retention;

/// <summary>A recovery point as retention sees it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Instant">Its moment of consistency, as the agent says. It only orders points and puts them into days.</param>
/// <param name="PublishedAt">When the control plane took it in, by the control plane's clock.</param>
/// <param name="HasLegalHold">A person forbade its deletion.</param>
/// <param name="NeedsPoint">
/// The point without which this one cannot be restored: the base backup of a write-ahead log range. Null for one that stands alone.
/// </param>
/// <param name="LogUntil">Base backups and log ranges: up to which moment the log reaches without a gap; null when it has none.</param>
public sealed record RetentionPoint(
    string Id, DateTimeOffset Instant, DateTimeOffset PublishedAt, bool HasLegalHold = false, string? NeedsPoint = null, DateTimeOffset? LogUntil = null)
{
    /// <summary>False when agent and control plane disagree about when it was made: a wrong clock, or a catalog that was rebuilt later.</summary>
    internal bool IsDateTrusted => (Instant - PublishedAt).Duration() <= RetentionDecider.ClockTrusted;
}

/// <summary>Why a point stays.</summary>
[Flags]
public enum KeepReason
{
    /// <summary>Nothing wants it.</summary>
    None = 0,

    /// <summary>Among the newest.</summary>
    Last = 1,

    /// <summary>The newest of its hour.</summary>
    Hourly = 2,

    /// <summary>…day.</summary>
    Daily = 4,

    /// <summary>…week.</summary>
    Weekly = 8,

    /// <summary>…month.</summary>
    Monthly = 16,

    /// <summary>…year.</summary>
    Yearly = 32,

    /// <summary>Young enough.</summary>
    Within = 64,

    /// <summary>Immutable as yet.</summary>
    Immutable = 128,

    /// <summary>Under legal hold.</summary>
    LegalHold = 256,

    /// <summary>Some moment that has to stay restorable needs it.</summary>
    Continuous = 512,

    /// <summary>Another point that stays cannot be restored without it, or it is the log of a base that stays.</summary>
    Needed = 1024,

    /// <summary>The asset is frozen because of a ransomware signal, or its rule is unknown.</summary>
    Frozen = 2048,

    /// <summary>It belongs to a group point, another member of which stays.</summary>
    Group = 4096,
}

/// <summary>One line of a plan.</summary>
/// <param name="Point">The point.</param>
/// <param name="Reasons">Why it stays; none means that it goes.</param>
public sealed record RetentionVerdict(RetentionPoint Point, KeepReason Reasons)
{
    /// <summary>True when the point stays.</summary>
    public bool IsKept => Reasons is not KeepReason.None;
}

/// <summary>Why a plan may not be executed as it is.</summary>
public enum PlanRefusal
{
    /// <summary>It may.</summary>
    None,

    /// <summary>It would delete every point of the asset.</summary>
    DeletesEverything,

    /// <summary>It would delete a larger share than the policy allows.</summary>
    DeletesTooMuch,
}

/// <summary>What retention would do with one asset. Decided, not done.</summary>
/// <param name="Asset">The asset.</param>
/// <param name="DecidedAt">The control plane's clock.</param>
/// <param name="Verdicts">Every point, newest first.</param>
/// <param name="Refusal">Why only force may execute it.</param>
/// <param name="NeedsApproval">Two persons have to approve it.</param>
public sealed record RetentionPlan(
    AssetName Asset, DateTimeOffset DecidedAt, IReadOnlyList<RetentionVerdict> Verdicts, PlanRefusal Refusal, bool NeedsApproval)
{
    /// <summary>The points that go, oldest first: a plan cut short has deleted what mattered least.</summary>
    public IEnumerable<RetentionPoint> Deletions => Verdicts.Where(v => !v.IsKept).Select(v => v.Point).Reverse();
}
