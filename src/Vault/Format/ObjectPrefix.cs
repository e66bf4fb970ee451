using Backup.Vault.Storage;

namespace Backup.Vault.Format;

/// <summary>
/// The first 24 bytes of every store object: magic "BKV" + kind, format version, zero, vault id. In clear, so that a keyless tool can tell
/// whose object it is and a newer format is recognised before anything else is read.
/// </summary>
internal static class ObjectPrefix
{
    internal const int Length = 24;

    /// <summary>The newest format this code reads, and the only one it writes.</summary>
    internal const ushort FormatVersion = 1;

    internal static void Write(Span<byte> destination, ObjectKind kind, VaultId vault)
    {
        "BKV"u8.CopyTo(destination);
        destination[3] = (byte)kind;
        destination[4] = (byte)FormatVersion;
        destination[5] = (byte)(FormatVersion >> 8);
        destination[6] = 0;
        destination[7] = 0;
        vault.CopyTo(destination[8..]);
    }

    /// <summary>Checks magic, kind and version; answers whose object it is.</summary>
    internal static VaultId Read(ReadOnlySpan<byte> content, ObjectKind kind, string what)
    {
        if (content.Length < Length || !content[..3].SequenceEqual("BKV"u8)) throw VaultException.Damaged(what, "it does not begin as a store object does");
        if (content[3] != (byte)kind) throw VaultException.Damaged(what, $"it says it is of kind {content[3]}, not {(byte)kind}");
        var version = content[4] | (content[5] << 8);
        if (version > FormatVersion)
        {
            throw new VaultException(
                VaultFault.NewerFormat,
                $"{what} has format version {version}; this program reads versions up to {FormatVersion}.",
                "Use the version of backupctl that wrote it, or a newer one. Nothing was changed.");
        }

        if (version == 0 || content[6] != 0 || content[7] != 0) throw VaultException.Damaged(what, "its format version is not one that was ever written");
        return new VaultId(content.Slice(8, VaultId.Length));
    }

    /// <summary>As <see cref="Read"/>, and the object must belong to this vault.</summary>
    internal static void Check(ReadOnlySpan<byte> content, ObjectKind kind, VaultId vault, string what)
    {
        var owner = Read(content, kind, what);
        if (owner != vault) throw VaultException.Damaged(what, $"it belongs to vault {owner}, not to this one");
    }
}
