using Backup.Vault.Storage;

namespace Backup.Vault.AzureBlob;

/// <summary>Whether a data pack of a replica can be read.</summary>
public enum PackPresence
{
    /// <summary>Yes: it lies in an online tier, or a copy of it there is complete.</summary>
    Online,

    /// <summary>A copy to an online tier was asked for and is not complete.</summary>
    Rehydrating,

    /// <summary>It lies in the archive tier, and nobody has asked for it.</summary>
    Archived,
}

/// <summary>A data pack of a replica.</summary>
/// <param name="Name">The store object.</param>
/// <param name="Length">Its length in bytes.</param>
/// <param name="Presence">Whether it can be read.</param>
/// <param name="IsCopy">What can be read is a copy of it.</param>
public readonly record struct ArchivedPack(ObjectName Name, long Length, PackPresence Presence, bool IsCopy);
