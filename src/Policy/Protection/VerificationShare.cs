namespace Backup.Policy.Protection;

/// <summary>How much of a vault is read each day, so that everything is read in time. Pure.</summary>
public static class VerificationShare
{
    /// <summary>A quarter of the days may pass without a verification: an agent that is switched off, a vault that is away.</summary>
    private const double DaysUsed = 0.75;

    /// <summary>The share of the packs to read each day, in percent, those verified longest ago first.</summary>
    /// <param name="withinDays">Within so many days everything is read once; at least 1.</param>
    public static double PercentOf(int withinDays)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(withinDays, 1);
        return 100 / Math.Max(1, Math.Floor(withinDays * DaysUsed));
    }
}
