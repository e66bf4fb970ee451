using Backup.Functions.Agents;

namespace Backup.Functions.Verifications;

/// <summary>A replica to verify. Plain data: the input of an orchestration.</summary>
public sealed record VerificationRequest
{
    /// <summary>Names this verification: it is recorded once.</summary>
    public required string Slot { get; init; }

    /// <summary>The part of all objects to hash, from 0.</summary>
    public required int Part { get; init; }

    /// <summary>How many parts there are.</summary>
    public required int Parts { get; init; }

    /// <summary>The newest living point's.</summary>
    public required string RecoveryPoint { get; init; }

    /// <summary>Its asset.</summary>
    public required string Asset { get; init; }

    /// <summary>The agent whose vault can mend the replica.</summary>
    public required string Agent { get; init; }

    /// <summary>That vault.</summary>
    public required string Vault { get; init; }

    /// <summary>The vault's own id.</summary>
    public required string VaultId { get; init; }

    /// <summary>The point's snapshot.</summary>
    public required string SnapshotId { get; init; }

    /// <summary>Where.</summary>
    public required ReplicaPlace Place { get; init; }

    /// <summary>What the replica must hold.</summary>
    public required string ManifestName { get; init; }

    /// <summary>That manifest's hash.</summary>
    public required string ManifestSha256 { get; init; }

    /// <summary>How long to put up with silence and failure.</summary>
    public required JobPatience Patience { get; init; }
}

/// <summary>What a verification came to.</summary>
/// <param name="IsSound">Nothing was wrong.</param>
/// <param name="Finding">For people.</param>
/// <param name="Faulty">Objects to mend.</param>
/// <param name="Failure">Why nothing could be seen; null when something was.</param>
public sealed record VerificationOutcome(bool IsSound, string Finding, string[] Faulty, JobFailure? Failure = null)
{
    /// <summary>Of a copy on another node: objects that were moved to quarantine already.</summary>
    public int Moved { get; init; }
}

/// <summary>How a verification ended.</summary>
/// <param name="Request">What was verified.</param>
/// <param name="IsSound">It is sound, perhaps since it was repaired.</param>
/// <param name="WasRepaired">Something was mended.</param>
/// <param name="Note">For people.</param>
public sealed record VerificationEnding(VerificationRequest Request, bool IsSound, bool WasRepaired, string Note);
