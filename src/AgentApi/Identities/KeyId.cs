using System.Security.Cryptography;

namespace Backup.AgentApi;

/// <summary>
/// Names one identity's pair of public keys: the first 16 bytes of a SHA-256 over a label and both (32 bytes each), as 32 lower-case hex digits. It is
/// public, tells which key an envelope is for, and lets old and new keys overlap during a rotation.
/// </summary>
public readonly record struct KeyId
{
    internal const int Bytes = 16;

    private readonly string? _hex;

    private KeyId(string hex) => _hex = hex;

    /// <summary>The id of a pair of public keys.</summary>
    internal static KeyId Of(ReadOnlySpan<byte> signingKey, ReadOnlySpan<byte> encryptionKey)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData("backup-functions/identity/v2\0"u8);
        hash.AppendData(signingKey);
        hash.AppendData(encryptionKey);
        return new KeyId(Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, Bytes)));
    }

    internal static KeyId FromBytes(ReadOnlySpan<byte> bytes) => new(Convert.ToHexStringLower(bytes[..Bytes]));

    internal byte[] ToBytes() => Convert.FromHexString(ToString());

    /// <inheritdoc/>
    public override string ToString() => _hex ?? "";
}
