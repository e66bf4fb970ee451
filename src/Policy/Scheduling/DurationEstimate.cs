namespace Backup.Policy.Scheduling;

/// <summary>How long a run will take, from how long the ones before it took. Pure.</summary>
public static class DurationEstimate
{
    /// <summary>Older runs say nothing about today's amount of data.</summary>
    public const int RunsMax = 10;

    /// <summary>
    /// The second longest of the newest <see cref="RunsMax"/> runs, but never less than the newest one: a single slow night (a
    /// disk being rebuilt, a first full read) is forgiven once it is past, growth is not.
    /// </summary>
    /// <param name="durations">Newest first.</param>
    /// <returns>Null when there are none.</returns>
    public static TimeSpan? Of(IReadOnlyList<TimeSpan> durations)
    {
        if (durations.Count == 0)
        {
            return null;
        }

        var (longest, second) = (durations[0], TimeSpan.Zero);
        for (var i = 1; i < durations.Count && i < RunsMax; i++)
        {
            if (durations[i] > longest)
            {
                (longest, second) = (durations[i], longest);
            }
            else if (durations[i] > second)
            {
                second = durations[i];
            }
        }

        return second > durations[0] ? second : durations[0];
    }
}
