using Backup.Vault.Storage;

namespace Backup.Vault.Format;

/// <summary>The config object: marks the place as a vault and says whose. Prefix ‖ creation time (8).</summary>
internal static class ConfigDocument
{
    internal static byte[] ToBytes(VaultId vault, DateTimeOffset created)
    {
        var w = new ByteWriter(32);
        ObjectPrefix.Write(w.Take(ObjectPrefix.Length), ObjectKind.Config, vault);
        w.I64(created.ToUnixTimeMilliseconds());
        return w.ToArray();
    }

    internal static (VaultId Vault, DateTimeOffset Created) Parse(ReadOnlySpan<byte> content, string what)
    {
        var vault = ObjectPrefix.Read(content, ObjectKind.Config, what);
        var r = new ByteReader(content, what);
        r.Raw(ObjectPrefix.Length);
        var created = KeyringDocument.ReadTime(ref r);
        r.End();
        return (vault, created);
    }

    /// <summary>Which vault a store holds. Needs no key.</summary>
    internal static async Task<(VaultId Vault, DateTimeOffset Created)> LoadAsync(IObjectStore store, CancellationToken cancel)
    {
        var found = await StoreReading.ListAllAsync(store, ObjectKind.Config, cancel).ConfigureAwait(false);
        if (found.Count == 0) throw new VaultException(VaultFault.NotAVault, $"There is no vault at {store.Description}.", "Check the place, or make one with 'vault init'.");
        var ids = new Dictionary<VaultId, DateTimeOffset>();
        foreach (var (name, content) in await StoreReading.ReadAllVerifiedAsync(store, found.Select(f => f.Name), cancel).ConfigureAwait(false))
        {
            var (vault, created) = Parse(content, name.ToString());
            ids[vault] = created;
        }

        if (ids.Count > 1) throw new VaultException(VaultFault.Inconsistent, $"{store.Description} holds {ids.Count} vaults mixed together.", "Two 'vault init' or copies met in one place: use separate folders.");
        return (ids.Keys.Single(), ids.Values.Single());
    }
}
