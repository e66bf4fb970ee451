namespace Backup.Vault.Snapshots;

/// <summary>Something a snapshot needs and the vault does not have.</summary>
/// <param name="Snapshot">The snapshot.</param>
/// <param name="Path">Where in it, from the root; bytes that are no UTF-8 are replaced.</param>
/// <param name="Problem">What is wrong.</param>
public sealed record MissingPiece(SnapshotId Snapshot, string Path, string Problem);
