using Backup.Vault.Encryption;
using Backup.Vault.Format;
using Backup.Vault.Indexing;
using Backup.Vault.Pruning;
using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;

namespace Backup.Vault;

/// <summary>A vault opened with a key: the door to writing, reading and everything else. Thread-safe; holds no connection.</summary>
public sealed class OpenVault
{
    internal OpenVault(IObjectStore store, VaultSecrets secrets, TimeProvider time)
    {
        Store = store;
        Secrets = secrets;
        Time = time;
    }

    /// <summary>The vault's identity.</summary>
    public VaultId Id => Secrets.Vault;

    /// <summary>Where it is.</summary>
    public IObjectStore Store { get; }

    /// <summary>Whether the key it was opened with can read content, trees and sealed properties.</summary>
    public bool CanRead => Secrets.Restore is not null;

    internal VaultSecrets Secrets { get; }

    internal TimeProvider Time { get; }

    /// <summary>Opens a vault.</summary>
    /// <param name="store">Its store, or any replica of it.</param>
    /// <param name="key">A backup key, restore key or passphrase.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="VaultException">NotAVault, WrongKey, NewerFormat, Damaged, or the store failed.</exception>
    public static async Task<OpenVault> OpenAsync(IObjectStore store, VaultKey key, TimeProvider time, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(time);
        var (vault, _) = await ConfigDocument.LoadAsync(store, cancel).ConfigureAwait(false);
        return new OpenVault(store, await Unlocking.UnlockAsync(store, vault, key, cancel).ConfigureAwait(false), time);
    }

    /// <summary>Which vault a store holds, without any key.</summary>
    /// <exception cref="VaultException">NotAVault, NewerFormat or Damaged.</exception>
    public static async Task<VaultId> IdentifyAsync(IObjectStore store, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(store);
        return (await ConfigDocument.LoadAsync(store, cancel).ConfigureAwait(false)).Vault;
    }

    /// <summary>Begins a backup. Reads the index; any number of writers may work at once, here and elsewhere.</summary>
    /// <exception cref="VaultException">The store failed, or an index object is damaged (rebuild it).</exception>
    public async Task<SnapshotWriter> BeginSnapshotAsync(WriterOptions options, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(options);

        // Marks before index: a pack marked in between is then relied upon with its mark unseen, which the check at the commit catches.
        var marks = await MarkSet.LoadAsync(Store, Id, cancel).ConfigureAwait(false);
        var index = await IndexLoader.LoadAsync(Store, Secrets, marks, cancel).ConfigureAwait(false);
        return new SnapshotWriter(Store, Secrets, index, marks, options, Time);
    }

    /// <summary>Opens a reader over everything committed so far. Snapshots that are listed later may need what it does not know: list first.</summary>
    /// <exception cref="VaultException">KeyRole with a backup key; or the store failed.</exception>
    public async Task<VaultReader> OpenReaderAsync(CancellationToken cancel)
    {
        Secrets.RequireRestore("read content");
        var marks = await MarkSet.LoadAsync(Store, Id, cancel).ConfigureAwait(false);
        var index = await IndexLoader.LoadAsync(Store, Secrets, marks, cancel).ConfigureAwait(false);
        return new VaultReader(Store, Secrets, index);
    }

    /// <summary>All committed snapshots, oldest first.</summary>
    /// <exception cref="VaultException">The store failed, or a snapshot object is damaged: its name is in the message.</exception>
    public Task<IReadOnlyList<SnapshotInfo>> ListSnapshotsAsync(CancellationToken cancel) => SnapshotList.LoadAsync(Store, Secrets, cancel);

    /// <summary>One snapshot.</summary>
    /// <exception cref="VaultException">NotFound or Damaged.</exception>
    public async Task<SnapshotInfo> ReadSnapshotAsync(SnapshotId id, CancellationToken cancel) =>
        SnapshotDocument.Parse(await StoreReading.ReadVerifiedAsync(Store, id.Name, cancel).ConfigureAwait(false), id, Secrets);

    /// <summary>Finds a snapshot as people name it: <c>latest</c>, a full id, or the beginning of one that fits a single snapshot.</summary>
    /// <param name="text"><c>latest</c> or at least four digits of an id.</param>
    /// <param name="asset">Restricts the search to an asset, or null.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="VaultException">NotFound when nothing or more than one fits.</exception>
    public async Task<SnapshotInfo> FindSnapshotAsync(string text, string? asset, CancellationToken cancel) =>
        SnapshotList.Find(await ListSnapshotsAsync(cancel).ConfigureAwait(false), text, asset);
}
