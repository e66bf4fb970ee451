using Backup.Vault.Format;
using Backup.Vault.Indexing;
using Backup.Vault.Pruning;

namespace Backup.Vault.Snapshots;

/// <summary>
/// Small snapshots that one process commits one after another, every few seconds. Each writer knows what the earlier ones of the series
/// stored and nothing else: it need not read the vault's index, and content that the vault holds from elsewhere is stored again.
/// </summary>
/// <remarks>
/// One writer at a time. Memory grows with what the series stored, about 50 bytes per chunk: <see cref="Forget"/> what is no longer of use.
/// Packs that prune has marked meanwhile count as absent, as for every writer, and nothing older than half a writer's life is relied on.
/// </remarks>
/// <param name="vault">Where to; a backup key is enough.</param>
/// <param name="options">How every writer of the series works.</param>
public sealed class SnapshotSeries(OpenVault vault, WriterOptions options)
{
    private readonly List<(DateTimeOffset StoredAt, IndexedPack Pack)> _packs = [];

    /// <summary>Begins the next snapshot.</summary>
    /// <exception cref="VaultException">The store failed.</exception>
    public async Task<SnapshotWriter> BeginAsync(CancellationToken cancel)
    {
        var marks = await MarkSet.LoadAsync(vault.Store, vault.Id, cancel).ConfigureAwait(false);
        var oldest = vault.Time.GetUtcNow() - (PruneSafety.WriterLifetimeMax / 2);
        _packs.RemoveAll(known => known.StoredAt < oldest);
        var index = new ChunkIndex();
        foreach (var (_, pack) in _packs) index.AddPack(pack, marks.IsMarked(pack.Name));
        return new SnapshotWriter(vault.Store, vault.Secrets, index, marks, options, vault.Time)
        {
            WhenIndexed = packs => _packs.AddRange(packs.Select(pack => (vault.Time.GetUtcNow(), pack))),
        };
    }

    /// <summary>Keeps in memory only what a content needs that will be continued.</summary>
    public void Forget(Content except)
    {
        ArgumentNullException.ThrowIfNull(except);
        var needed = except.Parts.Select(part => part.Id).ToHashSet();
        _packs.RemoveAll(known => !known.Pack.Frames.Chunks.Any(chunk => needed.Contains(chunk.Id)));
    }
}
