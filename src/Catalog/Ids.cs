using System.Security.Cryptography;
using System.Text;

namespace Backup.Catalog;

/// <summary>Names one run: the id of the orchestration instance that performs it.</summary>
public readonly record struct RunId(string Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value;
}

/// <summary>Names one restore: the id of the orchestration instance that performs it.</summary>
public readonly record struct RestoreId(string Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value;
}

/// <summary>Names one group point: the id of the orchestration instance that made it.</summary>
public readonly record struct GroupPointId(string Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value;
}

/// <summary>Names one recovery point. It follows from vault and snapshot, so a rebuilt catalog gives the same ids.</summary>
public readonly record struct RecoveryPointId(string Value)
{
    /// <summary>The id of that snapshot's recovery point.</summary>
    public static RecoveryPointId Of(string vaultId, string snapshotId)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{vaultId}\n{snapshotId}"));
        return new RecoveryPointId($"rp-{Convert.ToHexStringLower(hash.AsSpan(0, 16))}");
    }

    /// <inheritdoc/>
    public override string ToString() => Value;
}
