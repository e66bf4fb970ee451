namespace Backup.Functions.Restores;

/// <summary>What several restores come to.</summary>
internal static class RestoreStates
{
    private static readonly string[] WorstFirst = ["failed", "cancelled", "partial"];

    /// <summary>The one that went worst; one that succeeded only if all did.</summary>
    /// <param name="all">At least one.</param>
    /// <param name="stateOf">Its state in small letters.</param>
    public static T Worst<T>(IReadOnlyCollection<T> all, Func<T, string> stateOf) => all.MinBy(one => Array.IndexOf(WorstFirst, stateOf(one)) switch
    {
        // Unfinished, which is no success either.
        < 0 => stateOf(one) == "succeeded" ? int.MaxValue : WorstFirst.Length,
        var place => place,
    })!;
}
