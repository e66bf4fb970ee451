namespace Backup.Policy.Scheduling;

/// <summary>What the catalog knows about one asset; the only thing besides policy and clock that scheduling depends on.</summary>
/// <param name="Asset">The asset.</param>
/// <param name="LastRecoveryPoint">The moment of consistency of the newest recovery point; null when there is none.</param>
/// <param name="LastRunEnded">When the newest finished run ended; null when none has finished.</param>
/// <param name="LastRunDuration">How long the newest run with a recovery point took; null when unknown.</param>
/// <param name="ConsecutiveFailures">Failed runs since the last one that left a recovery point.</param>
/// <param name="IsRunning">A run is queued or running.</param>
public sealed record AssetFacts(
    AssetName Asset,
    DateTimeOffset? LastRecoveryPoint,
    DateTimeOffset? LastRunEnded,
    TimeSpan? LastRunDuration,
    int ConsecutiveFailures,
    bool IsRunning)
{
    /// <summary>An asset that nothing is known about: never backed up.</summary>
    public static AssetFacts None(AssetName asset) => new(asset, null, null, null, 0, IsRunning: false);
}
