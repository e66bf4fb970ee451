namespace Backup.Policy.Archive;

/// <summary>What restores from archive tiers may cost without asking, and how long their copies stay.</summary>
public sealed record ArchiveRules
{
    /// <summary>The rules of a policy that states none.</summary>
    public static readonly ArchiveRules Standard = new();

    /// <summary>
    /// A restore whose plan costs more, in its tier's currency, waits for two administrators; so does one whose tier has no prices. Null: nobody is asked.
    /// </summary>
    public decimal? ApprovalAboveCost { get; init; }

    /// <summary>How long copies in the online tier stay after the restore has ended: another restore needs not pay for them again.</summary>
    public TimeSpan KeepCopies { get; init; } = TimeSpan.FromDays(3);

    /// <summary>Whether a plan of that cost needs administrators.</summary>
    /// <param name="cost">Null when nobody knows.</param>
    public bool NeedsApproval(decimal? cost) => ApprovalAboveCost is { } limit && (cost is null || cost > limit);
}
