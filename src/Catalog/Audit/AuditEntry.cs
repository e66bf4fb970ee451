using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Backup.Catalog.Audit;

/// <summary>One row of the audit trail.</summary>
/// <param name="Sequence">From 1, without gaps.</param>
/// <param name="At">When, to the microsecond.</param>
/// <param name="Actor">Who: a key's name, or the schedule.</param>
/// <param name="Action">What, in a fixed vocabulary such as <c>run.opened</c>.</param>
/// <param name="Subject">On what.</param>
/// <param name="Detail">The facts, as text.</param>
public sealed record AuditEntry(long Sequence, DateTimeOffset At, string Actor, string Action, string Subject, string Detail)
{
    /// <summary>The previous row's hash; zeros for the first.</summary>
    public required byte[] PreviousHash { get; init; }

    /// <summary>SHA-256 over the previous hash and every field, each with its length before it.</summary>
    public required byte[] Hash { get; init; }

    internal static readonly byte[] FirstHash = new byte[SHA256.HashSizeInBytes];

    internal byte[] ComputeHash()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> number = stackalloc byte[8];
        hash.AppendData(PreviousHash);
        BinaryPrimitives.WriteInt64BigEndian(number, Sequence);
        hash.AppendData(number);
        BinaryPrimitives.WriteInt64BigEndian(number, At.UtcTicks / TimeSpan.TicksPerMicrosecond);
        hash.AppendData(number);
        foreach (var text in new[] { Actor, Action, Subject, Detail })
        {
            // With the length before it, moving a letter from one field to the next changes the hash.
            var bytes = Encoding.UTF8.GetBytes(text);
            BinaryPrimitives.WriteInt64BigEndian(number, bytes.Length);
            hash.AppendData(number);
            hash.AppendData(bytes);
        }

        return hash.GetHashAndReset();
    }
}
