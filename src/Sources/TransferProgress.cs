namespace Backup.Sources;

/// <summary>What a source is doing.</summary>
public enum TransferPhase
{
    /// <summary>Checking and asking; nothing is copied yet.</summary>
    Preparing,

    /// <summary>Copying content.</summary>
    Copying,

    /// <summary>Setting what can only be set at the end, and making everything durable.</summary>
    Finishing,
}

/// <summary>How far a backup or restore is. Reported from worker threads, at most a few times per second.</summary>
/// <param name="Phase">What is being done.</param>
/// <param name="BytesDone">Bytes of assets looked at (backup: read or recognised as unchanged; restore: in place).</param>
/// <param name="BytesTotal">The total, where it is known.</param>
/// <param name="ItemsDone">Files, directories and other entries done.</param>
public sealed record TransferProgress(TransferPhase Phase, long BytesDone, long? BytesTotal, long ItemsDone);
