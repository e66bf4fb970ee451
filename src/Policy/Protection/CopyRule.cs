namespace Backup.Policy.Protection;

/// <summary>One place that holds a recovery point.</summary>
/// <param name="Place">The vault's or the tier's name, for people.</param>
/// <param name="Medium">What fails together: copies on one kind of storage count as one medium.</param>
/// <param name="IsOffsite">It survives the loss of the site.</param>
/// <param name="IsImmutable">Nobody can delete or change it before its time, whatever credential was stolen.</param>
/// <param name="IsSound">It was looked at and found whole; a copy that nobody has checked counts for nothing.</param>
public sealed record PointCopy(string Place, string Medium, bool IsOffsite, bool IsImmutable, bool IsSound);

/// <summary>
/// The 3-2-1-1-0 rule for one asset: three copies of the data, on two media, one off-site, one immutable, and no errors, as a
/// restore has shown. The living original counts as a copy and as a medium of its own.
/// </summary>
/// <param name="Copies">Sound copies, with the original.</param>
/// <param name="Media">Different media among them, with the original's.</param>
/// <param name="Offsite">Copies off-site.</param>
/// <param name="Immutable">Immutable copies.</param>
/// <param name="Errors">Copies found damaged, and failed restores since the last good one; null while no restore has ever been tried.</param>
/// <param name="RestoreProvenAt">When a restore last succeeded; null when never.</param>
/// <param name="Missing">What the rule lacks, for people; empty when it is kept.</param>
public sealed record CopyRuleState(
    int Copies, int Media, int Offsite, int Immutable, int? Errors, DateTimeOffset? RestoreProvenAt, IReadOnlyList<string> Missing)
{
    /// <summary>True when the rule is kept.</summary>
    public bool IsKept => Missing.Count == 0;
}

/// <summary>Computes 3-2-1-1-0. Pure.</summary>
public static class CopyRule
{
    /// <summary>A restore proves the chain only for so long.</summary>
    public static readonly TimeSpan ProofValid = TimeSpan.FromDays(92);

    /// <summary>The state that follows from the copies of an asset's newest recovery point and its restores.</summary>
    /// <param name="now">The clock.</param>
    /// <param name="copies">Every known copy, sound or not.</param>
    /// <param name="restoreProvenAt">When a restore or drill last succeeded.</param>
    /// <param name="restoresFailedSince">Restores that have failed since.</param>
    /// <param name="copiesWanted">Sound copies, without the original, that the asset's classes want besides.</param>
    public static CopyRuleState Assess(DateTimeOffset now, IReadOnlyCollection<PointCopy> copies, DateTimeOffset? restoreProvenAt, int restoresFailedSince, int copiesWanted = 1)
    {
        var sound = copies.Where(c => c.IsSound).ToArray();
        var damaged = copies.Count - sound.Length;
        var state = new CopyRuleState(
            Copies: sound.Length + 1,
            Media: sound.Select(c => c.Medium).Distinct(StringComparer.Ordinal).Count() + 1,
            Offsite: sound.Count(c => c.IsOffsite),
            Immutable: sound.Count(c => c.IsImmutable),
            Errors: restoreProvenAt is null && restoresFailedSince == 0 ? null : damaged + restoresFailedSince,
            restoreProvenAt,
            []);
        var missing = new List<string>();
        Require(state.Copies >= 3, $"{state.Copies} of 3 copies");
        Require(copiesWanted <= 1 || sound.Length >= copiesWanted, $"{sound.Length} of {copiesWanted} copies that its classes want");
        Require(state.Media >= 2, $"{state.Media} of 2 media");
        Require(state.Offsite >= 1, "no sound copy off-site");
        Require(state.Immutable >= 1, "no immutable copy");
        Require(damaged == 0, $"{damaged} copies unchecked or damaged");
        Require(restoresFailedSince == 0, $"{restoresFailedSince} restores failed since the last good one");
        Require(restoreProvenAt is not null, "no restore was ever proven");
        Require(restoreProvenAt is null || now - restoreProvenAt <= ProofValid, $"the last proven restore is older than {ProofValid.TotalDays:F0} days");
        return state with { Missing = missing };

        void Require(bool kept, string what)
        {
            if (!kept)
            {
                missing.Add(what);
            }
        }
    }
}
