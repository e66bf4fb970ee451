using Backup.Functions.Agents;

namespace Backup.Functions.Immutability;

/// <summary>A replica whose locks to look after. Plain data: the input of an orchestration.</summary>
public sealed record LockRequest
{
    /// <summary>Where.</summary>
    public required ReplicaPlace Place { get; init; }

    /// <summary>Whose copy.</summary>
    public required string VaultId { get; init; }
}

/// <summary>What came of one look.</summary>
/// <param name="Changed">Locks and holds that were set, extended or lifted.</param>
/// <param name="IsDone">Nothing more is to be changed now.</param>
/// <param name="Problem">Why nothing could be done; null when all went well.</param>
public sealed record LockProgress(int Changed, bool IsDone, string? Problem = null);
