namespace Backup.Policy.Scheduling;

/// <summary>What the catalog knows about one asset; the only thing besides policy and clock that scheduling depends on.</summary>
/// <param name="Asset">The asset.</param>
/// <param name="LastRecoveryPoint">The moment of consistency of the newest recovery point; null when there is none.</param>
/// <param name="LastRunEnded">When the newest finished run ended; null when none has finished.</param>
/// <param name="Durations">How long the newest runs with a recovery point took, newest first; empty when none is known.</param>
/// <param name="ConsecutiveFailures">Failed runs since the last one that left a recovery point.</param>
/// <param name="RunningSince">When the queued or running run was opened; null when there is none.</param>
public sealed record AssetFacts(
    AssetName Asset,
    DateTimeOffset? LastRecoveryPoint,
    DateTimeOffset? LastRunEnded,
    IReadOnlyList<TimeSpan> Durations,
    int ConsecutiveFailures,
    DateTimeOffset? RunningSince)
{
    /// <summary>A run is queued or running.</summary>
    public bool IsRunning => RunningSince is not null;

    /// <summary>How long the next run is expected to take; null when no run has left a recovery point.</summary>
    public TimeSpan? Duration => DurationEstimate.Of(Durations);

    /// <summary>An asset that nothing is known about: never backed up.</summary>
    public static AssetFacts None(AssetName asset) => new(asset, null, null, [], 0, RunningSince: null);
}
