using System.Globalization;
using System.Text;
using Backup.Vault.Storage;

namespace Backup.Vault.AzureBlob;

/// <summary>One line of a manifest.</summary>
/// <param name="Name">The store object.</param>
/// <param name="Length">Its length in bytes.</param>
/// <param name="IsNew">Whether the replication that wrote the manifest copied it.</param>
public readonly record struct ReplicaManifestEntry(ObjectName Name, long Length, bool IsNew);

/// <summary>
/// What a replica must hold to restore one snapshot: every store object of the vault with its length. It holds no secret and
/// is stored beside the objects as <c>replica-manifests/&lt;SHA-256 of its bytes&gt;</c>, so it can be checked without keys.
/// </summary>
/// <remarks>
/// Bytes, version 1: UTF-8 lines ended by a line feed. The lines <c>backup-replica-manifest 1</c>, <c>vault ID</c>,
/// <c>snapshot ID</c>, <c>created INSTANT</c> and <c>objects COUNT</c>, then COUNT lines of a mark (<c>+</c> copied now, <c>=</c>
/// there before), the length in decimal and the object's name, separated by one space, in ordinal order of the names.
/// </remarks>
public sealed record ReplicaManifest
{
    /// <summary>Folder of manifests in a replica.</summary>
    public const string Folder = "replica-manifests";

    /// <summary>The largest manifest in bytes: about five million objects.</summary>
    public const int BytesMax = 512 << 20;

    private const string FirstLine = "backup-replica-manifest 1";

    /// <summary>The vault whose copy this is.</summary>
    public required VaultId Vault { get; init; }

    /// <summary>The snapshot the replication was for; the manifest covers all older ones of the vault too.</summary>
    public required SnapshotId Snapshot { get; init; }

    /// <summary>When it was written.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>All objects, sorted by name.</summary>
    public required IReadOnlyList<ReplicaManifestEntry> Entries { get; init; }

    /// <summary>Bytes of all objects.</summary>
    public long BytesTotal => Entries.Sum(e => e.Length);

    /// <summary>The manifest as stored.</summary>
    public byte[] ToBytes()
    {
        var text = new StringBuilder(Entries.Count * 96);
        text.Append(CultureInfo.InvariantCulture, $"{FirstLine}\nvault {Vault}\nsnapshot {Snapshot}\ncreated {CreatedAt.ToUniversalTime():yyyy-MM-ddTHH:mm:ss.fffffffZ}\nobjects {Entries.Count}\n");
        foreach (var (line, _) in Entries.Select(e => (Line(e), e.Name.ToString())).OrderBy(l => l.Item2, StringComparer.Ordinal))
        {
            text.Append(line).Append('\n');
        }

        return Encoding.ASCII.GetBytes(text.ToString());
    }

    /// <summary>Reads what <see cref="ToBytes"/> wrote.</summary>
    /// <exception cref="VaultException">Damaged, or NewerFormat.</exception>
    public static ReplicaManifest Parse(ReadOnlyMemory<byte> bytes)
    {
        using var reader = new StringReader(Encoding.ASCII.GetString(bytes.Span));
        var first = reader.ReadLine();
        if (first != FirstLine)
        {
            throw first?.StartsWith("backup-replica-manifest ", StringComparison.Ordinal) == true
                ? new VaultException(VaultFault.NewerFormat, $"The replica manifest has format '{first}'; this version knows '{FirstLine}'.", "Use the newer version that wrote it.")
                : Damaged("it does not begin as a manifest does");
        }

        if (!VaultId.TryParse(Value(reader, "vault"), out var vault)
            || !SnapshotId.TryParse(Value(reader, "snapshot"), out var snapshot)
            || !DateTimeOffset.TryParse(Value(reader, "created"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var created)
            || !int.TryParse(Value(reader, "objects"), NumberStyles.None, CultureInfo.InvariantCulture, out var count))
        {
            throw Damaged("its head is incomplete");
        }

        var entries = new List<ReplicaManifestEntry>();
        while (reader.ReadLine() is { } line)
        {
            entries.Add(ParseLine(line));
        }

        return entries.Count == count
            ? new ReplicaManifest { Vault = vault, Snapshot = snapshot, CreatedAt = created, Entries = entries }
            : throw Damaged($"it announces {count} objects and lists {entries.Count}");
    }

    /// <summary>Stores it, as the last step of a replication.</summary>
    /// <exception cref="VaultException">The store failed or refused.</exception>
    internal async Task<ReplicationOutcome> PublishAsync(IReplicaStore replica, CancellationToken cancel)
    {
        var bytes = ToBytes();
        var hash = ContentHash.Of(bytes);
        await replica.CreateManifestAsync(hash, bytes, cancel).ConfigureAwait(false);
        var copied = Entries.Where(e => e.IsNew).ToArray();
        return new ReplicationOutcome
        {
            ObjectsTotal = Entries.Count,
            BytesTotal = BytesTotal,
            ObjectsCopied = copied.Length,
            BytesCopied = copied.Sum(e => e.Length),
            ManifestName = replica.ManifestPathOf(hash),
            ManifestHash = hash,
        };
    }

    /// <summary>The name a manifest of these bytes is stored under, within the replica's folder.</summary>
    public static string NameOf(ContentHash hash) => $"{Folder}/{hash}";

    private static string Line(ReplicaManifestEntry entry) =>
        string.Create(CultureInfo.InvariantCulture, $"{(entry.IsNew ? '+' : '=')} {entry.Length} {entry.Name}");

    private static ReplicaManifestEntry ParseLine(string line)
    {
        var parts = line.Split(' ');
        return parts is ["+" or "=", var length, var path]
            && long.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out var bytes)
            && ObjectName.TryParse(path, out var name)
            ? new ReplicaManifestEntry(name, bytes, parts[0] == "+")
            : throw Damaged("a line is not well formed");
    }

    private static string Value(StringReader reader, string key)
    {
        var line = reader.ReadLine() ?? "";
        return line.StartsWith(key + " ", StringComparison.Ordinal) ? line[(key.Length + 1)..] : "";
    }

    private static VaultException Damaged(string problem) =>
        new(VaultFault.Damaged, $"The replica manifest is damaged: {problem}.", "Replicate again: that writes a new manifest.");
}
