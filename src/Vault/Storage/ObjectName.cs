using System.Security.Cryptography;

namespace Backup.Vault.Storage;

/// <summary>The kinds of store object. The numbers are stored; never reuse one.</summary>
public enum ObjectKind : byte
{
    /// <summary>One per vault: id and format version. Folder <c>config</c>.</summary>
    Config = 1,

    /// <summary>The signed keyring: key slots and epochs. Folder <c>keys</c>.</summary>
    Keys = 2,

    /// <summary>Packs of file content. May live in cold tiers. Folder <c>data</c>.</summary>
    DataPack = 3,

    /// <summary>Packs of trees and chunk lists: small, needed for browsing. Folder <c>meta</c>.</summary>
    MetaPack = 4,

    /// <summary>Where each chunk is. Folder <c>index</c>.</summary>
    ChunkMap = 5,

    /// <summary>Committed snapshots. Folder <c>snapshots</c>.</summary>
    Snapshot = 6,

    /// <summary>Packs that a prune means to delete after the grace period. Folder <c>marks</c>.</summary>
    PruneMarks = 7,

    /// <summary>When each pack was last verified. Folder <c>ledger</c>.</summary>
    Ledger = 8,

    /// <summary>What <see cref="StoreProbe"/> writes and removes; no part of any vault. Folder <c>probe</c>.</summary>
    Probe = 9,
}

/// <summary>The name of a store object: its kind and the SHA-256 of its stored bytes, so anyone can check it without keys.</summary>
/// <param name="Kind">What the object holds.</param>
/// <param name="Hash">SHA-256 of the stored bytes.</param>
public readonly record struct ObjectName(ObjectKind Kind, ContentHash Hash)
{
    private static readonly string[] Folders = ["", "config", "keys", "data", "meta", "index", "snapshots", "marks", "ledger", "probe"];

    /// <summary>All kinds, in the order in which a copy writes them: what others refer to comes first, snapshots last but for housekeeping.</summary>
    public static IReadOnlyList<ObjectKind> KindsInWriteOrder { get; } =
    [
        ObjectKind.Config, ObjectKind.Keys, ObjectKind.DataPack, ObjectKind.MetaPack, ObjectKind.ChunkMap, ObjectKind.Snapshot,
        ObjectKind.PruneMarks, ObjectKind.Ledger,
    ];

    /// <summary>The name that <paramref name="content"/> must be stored under.</summary>
    public static ObjectName For(ObjectKind kind, ReadOnlySpan<byte> content) => new(kind, ContentHash.Of(content));

    /// <summary>The folder (or blob prefix) that holds every object of a kind.</summary>
    public static string FolderOf(ObjectKind kind) => Folders[(int)kind];

    /// <summary>Reads a path as <see cref="ToString"/> writes it, for example <c>data/0a/0a1b…</c>.</summary>
    public static bool TryParse(ReadOnlySpan<char> path, out ObjectName name)
    {
        name = default;
        var slash = path.IndexOf('/');
        if (slash < 0) return false;
        var kind = Array.IndexOf(Folders, path[..slash].ToString());
        var rest = path[(slash + 1)..];
        if (kind <= 0 || rest.Length != 67 || rest[2] != '/' || !rest[..2].SequenceEqual(rest[3..5])) return false;
        if (!ContentHash.TryParse(rest[3..], out var hash)) return false;
        name = new ObjectName((ObjectKind)kind, hash);
        return true;
    }

    /// <summary>True when <paramref name="content"/> is what this name promises.</summary>
    public bool Matches(ReadOnlySpan<byte> content) => ContentHash.Of(content) == Hash;

    /// <summary>True when a hash that was fed all stored bytes agrees with this name. Ends that hash.</summary>
    public bool Matches(IncrementalHash hash)
    {
        ArgumentNullException.ThrowIfNull(hash);
        return new ContentHash(hash.GetHashAndReset()) == Hash;
    }

    /// <summary><c>folder/hh/hash</c>: at most 76 characters of lower-case ASCII, valid as a path and as a blob name.</summary>
    public override string ToString()
    {
        var hash = Hash.ToString();
        return $"{Folders[(int)Kind]}/{hash.AsSpan(0, 2)}/{hash}";
    }
}
