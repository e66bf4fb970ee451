using Backup.Vault.Snapshots;
using Backup.Vault.Storage;

namespace Backup.Vault.Verifying;

/// <summary>How thoroughly to verify.</summary>
public enum VerifyDepth
{
    /// <summary>What must exist exists with the right length. Compares listings with the index; needs a backup key for that.</summary>
    Listing = 1,

    /// <summary>Every object's bytes have the hash in its name. Needs no key; includes the listing when there is one.</summary>
    Hashes = 2,

    /// <summary>Every frame decrypts and decompresses, every chunk has its id, every snapshot's tree is complete. Needs a restore key.</summary>
    Data = 3,
}

/// <summary>What to verify.</summary>
public sealed record VerifyRequest
{
    /// <summary>How thoroughly.</summary>
    public VerifyDepth Depth { get; init; } = VerifyDepth.Hashes;

    /// <summary>Share of the packs to read, in percent, above 0 to 100. The longest unverified come first, so that ⌈100 / percent⌉ runs cover everything.</summary>
    public double SamplePercent { get; init; } = 100;

    /// <summary>Write what was verified to the ledger. Needs a credential that may create.</summary>
    public bool WriteLedger { get; init; } = true;

    /// <summary>Packs read at once, 1 to 64; each takes about 10 MiB.</summary>
    public int Parallelism { get; init; } = 2;

    /// <summary>How many runs at this share cover everything, each counting on the ledger of those before: as many days when run daily.</summary>
    public int RunsToCoverAll => (int)Math.Ceiling(100 / SamplePercent);

    internal void Check()
    {
        if (SamplePercent is not (> 0 and <= 100)) throw new ArgumentException("The sample is above 0 and at most 100 percent.");
        if (Parallelism is < 1 or > 64) throw new ArgumentException("The parallelism is 1 to 64.");
    }
}

/// <summary>What is wrong with a store object.</summary>
public enum ObjectProblemKind
{
    /// <summary>It should exist and does not.</summary>
    Missing = 1,

    /// <summary>Its length is not what the index says.</summary>
    WrongLength,

    /// <summary>Its bytes do not have the hash in its name.</summary>
    WrongHash,

    /// <summary>Its bytes have the right hash and still do not open: foreign, forged, or of another vault.</summary>
    WrongContent,

    /// <summary>The store failed to read it.</summary>
    Unreadable,
}

/// <summary>A store object that is not as it must be.</summary>
/// <param name="Name">The object.</param>
/// <param name="Kind">What is wrong.</param>
/// <param name="Detail">In words.</param>
public sealed record ObjectProblem(ObjectName Name, ObjectProblemKind Kind, string Detail)
{
    /// <summary>Whether a healthy copy of the same name repairs it.</summary>
    public bool IsRepairable => Kind is ObjectProblemKind.Missing or ObjectProblemKind.WrongHash or ObjectProblemKind.WrongLength;
}

/// <summary>The outcome of a verification.</summary>
/// <param name="Depth">How thorough it was.</param>
/// <param name="ObjectsChecked">Objects whose existence and length were checked.</param>
/// <param name="ObjectsRead">Objects whose bytes were read.</param>
/// <param name="BytesRead">Bytes read.</param>
/// <param name="PacksTotal">Packs in the store.</param>
/// <param name="PacksRead">Packs whose bytes were read.</param>
/// <param name="OldestVerification">The instant since which every pack has been verified at this depth or deeper; null when some never were.</param>
/// <param name="Problems">Objects that are not as they must be.</param>
/// <param name="MissingPieces">What snapshots need and the vault does not have (data depth only).</param>
/// <param name="UnindexedPacks">Packs in no index: a running or crashed writer's. Not a problem; prune removes them after its grace period.</param>
public sealed record VerifyReport(
    VerifyDepth Depth, long ObjectsChecked, long ObjectsRead, long BytesRead, long PacksTotal, long PacksRead, DateTimeOffset? OldestVerification,
    IReadOnlyList<ObjectProblem> Problems, IReadOnlyList<MissingPiece> MissingPieces, IReadOnlyList<ObjectName> UnindexedPacks)
{
    /// <summary>True when nothing is wrong.</summary>
    public bool IsSound => Problems.Count == 0 && MissingPieces.Count == 0;
}
