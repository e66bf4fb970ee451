using Backup.Vault.Encryption;
using Backup.Vault.Format;
using Backup.Vault.Storage;

namespace Backup.Vault.Snapshots;

/// <summary>Reads and searches the vault's snapshots.</summary>
internal static class SnapshotList
{
    private const int IdDigitsMin = 4;

    internal static async Task<IReadOnlyList<SnapshotInfo>> LoadAsync(IObjectStore store, VaultSecrets secrets, CancellationToken cancel)
    {
        const int AttemptsMax = 5;
        for (var attempt = 1; ; attempt++)
        {
            var names = (await StoreReading.ListAllAsync(store, ObjectKind.Snapshot, cancel).ConfigureAwait(false)).Select(o => o.Name);
            try
            {
                var contents = await StoreReading.ReadAllVerifiedAsync(store, names, cancel).ConfigureAwait(false);
                return [.. contents.Select(c => SnapshotDocument.Parse(c.Value, new SnapshotId(c.Key.Hash), secrets)).OrderBy(s => s.ConsistentAt).ThenBy(s => s.CommittedAt).ThenBy(s => s.Id.Hash)];
            }
            catch (VaultException e) when (e.Fault == VaultFault.NotFound && attempt < AttemptsMax)
            {
                // Retention dropped one between listing and reading: list again.
            }
        }
    }

    internal static SnapshotInfo Find(IReadOnlyList<SnapshotInfo> all, string text, string? asset)
    {
        ArgumentException.ThrowIfNullOrEmpty(text);
        var candidates = all.Where(s => asset is null || s.Asset == asset).ToList();
        if (candidates.Count == 0)
            throw NotFound(asset is null ? "The vault holds no snapshots." : $"The vault holds no snapshot of '{asset}'.", "List them with 'backupctl snapshots'.");
        if (text == "latest") return candidates[^1];
        if (text.Length < IdDigitsMin) throw new ArgumentException($"Give 'latest' or at least {IdDigitsMin} digits of a snapshot id.", nameof(text));
        var fitting = candidates.Where(s => s.Id.ToString().StartsWith(text, StringComparison.Ordinal)).ToList();
        return fitting.Count switch
        {
            1 => fitting[0],
            0 => throw NotFound($"No snapshot id begins with '{text}'.", "List them with 'backupctl snapshots'."),
            _ => throw NotFound($"{fitting.Count} snapshot ids begin with '{text}'.", "Give more digits."),
        };
    }

    private static VaultException NotFound(string message, string hint) => new(VaultFault.NotFound, message, hint);
}
