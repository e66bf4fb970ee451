using System.Security.Cryptography;
using System.Text;
using Backup.Vault;

namespace Backup.Sources.Files.Unchanged;

/// <summary>The cache that one backup of an asset reads and the one that it leaves for the next.</summary>
internal sealed class UnchangedCache : IDisposable
{
    private UnchangedCache(CacheReader before, CacheWriter? next)
    {
        Before = before;
        Next = next;
    }

    /// <summary>What the last backup found; empty when there is none.</summary>
    internal CacheReader Before { get; }

    /// <summary>What this one finds; null when nothing is to be remembered, or cannot be.</summary>
    internal CacheWriter? Next { get; }

    /// <param name="folder">A private folder, or null for no cache.</param>
    /// <param name="vault">Chunks of one vault mean nothing in another.</param>
    /// <param name="asset">Caches of different assets are different files.</param>
    internal static UnchangedCache Open(string? folder, VaultId vault, string asset)
    {
        if (folder is null)
            return new UnchangedCache(CacheReader.Empty, null);
        // Named by hash, so that any asset name makes a valid, private file name.
        var path = Path.Combine(folder, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{vault}\n{asset}"))[..16]) + ".unchanged");
        var vaultId = new byte[VaultId.Length];
        vault.CopyTo(vaultId);
        var scope = SHA256.HashData(Encoding.UTF8.GetBytes(asset));
        return new UnchangedCache(CacheReader.Open(path, vaultId, scope), CacheWriter.TryCreate(path, vaultId, scope));
    }

    public void Dispose()
    {
        Before.Dispose();
        Next?.Dispose();
    }
}
