using System.Security.Cryptography;
using Backup.Vault.Storage;

namespace Backup.Vault.Chunking;

/// <summary>
/// Computes chunk ids. Set up once and used for many chunks: setting up anew for each costs a tenth of what hashing a small one does. One thread at a time.
/// </summary>
internal sealed class ChunkHasher(byte[] idKey) : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, idKey);

    internal ChunkId IdOf(ReadOnlySpan<byte> chunk)
    {
        Span<byte> hash = stackalloc byte[ContentHash.Length];
        _hash.AppendData(chunk);
        _hash.GetHashAndReset(hash);
        return new ChunkId(new ContentHash(hash));
    }

    /// <summary>The same for a chunk now and then, from any thread.</summary>
    internal static ChunkId IdOf(byte[] idKey, ReadOnlySpan<byte> chunk)
    {
        Span<byte> hash = stackalloc byte[ContentHash.Length];
        HMACSHA256.HashData(idKey, chunk, hash);
        return new ChunkId(new ContentHash(hash));
    }

    public void Dispose() => _hash.Dispose();
}
