using Backup.Vault.Indexing;
using Backup.Vault.Restoring;

namespace Backup.Vault.Snapshots;

/// <summary>Something a snapshot needs and the vault does not have.</summary>
/// <param name="Snapshot">The snapshot.</param>
/// <param name="Path">Where in it, from the root; bytes that are no UTF-8 are replaced.</param>
/// <param name="Problem">What is wrong.</param>
public sealed record MissingPiece(SnapshotId Snapshot, string Path, string Problem);

/// <summary>Walks snapshots' trees and collects every chunk they need. A tree shared by many snapshots is walked once.</summary>
internal static class Reachability
{
    /// <summary>Trees nested deeper than this are taken for damage; Linux paths end far earlier, ours need not.</summary>
    private const int DepthMax = 16 * 1024, MissingMax = 1000;

    /// <summary>Adds everything the snapshots need to <paramref name="live"/>; answers what is missing, at most a thousand pieces.</summary>
    internal static async Task<List<MissingPiece>> CollectAsync(VaultReader reader, ChunkIndex index, IEnumerable<SnapshotInfo> snapshots, ChunkSet live, CancellationToken cancel)
    {
        var missing = new List<MissingPiece>();
        foreach (var snapshot in snapshots)
        {
            var pending = new Stack<(TreeId Tree, string Path, int Depth)>();
            pending.Push((snapshot.Root!.Value, "", 0));
            while (pending.TryPop(out var next) && missing.Count < MissingMax)
            {
                cancel.ThrowIfCancellationRequested();
                if (index.Include(next.Tree.Chunk, null, live) is not { } isNew) missing.Add(new MissingPiece(snapshot.Id, next.Path, $"tree {next.Tree} is in no index"));
                else if (next.Depth > DepthMax) missing.Add(new MissingPiece(snapshot.Id, next.Path, "folders are nested too deeply"));
                else if (isNew) await VisitAsync(reader, index, snapshot.Id, next, live, pending, missing, cancel).ConfigureAwait(false);
            }
        }

        return missing;
    }

    private static async Task VisitAsync(
        VaultReader reader, ChunkIndex index, SnapshotId snapshot, (TreeId Tree, string Path, int Depth) at, ChunkSet live,
        Stack<(TreeId, string, int)> pending, List<MissingPiece> missing, CancellationToken cancel)
    {
        try
        {
            foreach (var leaf in await reader.ReadLeafIdsAsync(at.Tree, cancel).ConfigureAwait(false)) index.Include(leaf, null, live);
            foreach (var entry in await reader.ReadTreeAsync(at.Tree, cancel).ConfigureAwait(false))
            {
                if (entry.Subtree is { } subtree) pending.Push((subtree, PathOf(at.Path, entry), at.Depth + 1));
                if (entry.Content is not { } content) continue;
                for (; content.Depth > 0; content = await reader.ExpandOnceAsync(content, cancel).ConfigureAwait(false))
                    foreach (var list in content.Parts) index.Include(list.Id, null, live);
                foreach (var part in content.Parts)
                {
                    if (index.Include(part.Id, part.Length, live) is not null) continue;
                    missing.Add(new MissingPiece(snapshot, PathOf(at.Path, entry), $"chunk {part.Id} is in no index"));
                    break;
                }
            }
        }
        catch (VaultException e) when (e.Fault is VaultFault.Damaged or VaultFault.NotFound)
        {
            missing.Add(new MissingPiece(snapshot, at.Path, e.Message));
        }
    }

    private static string PathOf(string parent, TreeEntry entry) => $"{parent}/{System.Text.Encoding.UTF8.GetString(entry.Name.Span)}";
}
