using Backup.Catalog.Retention;
using Backup.Functions.Agents;
using Backup.Policy;
using Backup.Policy.Archive;

namespace Backup.Functions.Archive;

/// <summary>A vault's copy in a container of an archive tier.</summary>
/// <param name="Tier">The tier.</param>
/// <param name="Container">The container's name.</param>
/// <param name="VaultId">Whose copy.</param>
public sealed record ArchivePlace(TierName Tier, string Container, string VaultId)
{
    /// <summary>The copy that the catalog knows by its address.</summary>
    public static ArchivePlace At(ReplicaPlaceId place)
    {
        ArgumentNullException.ThrowIfNull(place);
        return new(place.Tier, ReplicaPlace.ContainerOf(place.Container), place.VaultId);
    }
}

/// <summary>Whether a pack can be read.</summary>
public enum ArchivePresence
{
    /// <summary>Yes: in place, or from a copy in the online tier.</summary>
    Online,

    /// <summary>Its copy is being made.</summary>
    Rehydrating,

    /// <summary>It lies in the archive, and nobody has asked for it.</summary>
    Archived,
}

/// <summary>A pack as the storage has it.</summary>
/// <param name="Bytes">Its size.</param>
/// <param name="Presence">Whether it can be read.</param>
public sealed record ArchivedPackState(long Bytes, ArchivePresence Presence);

/// <summary>
/// Packs in an archive tier, and their copies in the online tier. All that is known is asked of the storage, so that nothing has to be kept in step with it.
/// Implementations are safe to use from several threads.
/// </summary>
public interface IArchiveTier
{
    /// <summary>Every data pack there, by its store object's name.</summary>
    /// <exception cref="ControlPlaneException">The storage cannot be reached or refuses.</exception>
    Task<IReadOnlyDictionary<string, ArchivedPackState>> LookAsync(ArchivePlace place, CancellationToken cancel);

    /// <summary>Asks for copies in the online tier: this is what costs. Packs that were asked for before are left as they are. It takes the storage hours.</summary>
    /// <exception cref="ControlPlaneException">The storage cannot be reached or refuses; some may have been asked for.</exception>
    Task RequestAsync(ArchivePlace place, IReadOnlyList<string> packs, RehydrationPriority priority, CancellationToken cancel);

    /// <summary>Removes copies, also unfinished ones. The archived packs stay; copies that are gone are no fault.</summary>
    /// <exception cref="ControlPlaneException">The storage cannot be reached or refuses.</exception>
    Task RemoveCopiesAsync(ArchivePlace place, IReadOnlyList<string> packs, CancellationToken cancel);
}
