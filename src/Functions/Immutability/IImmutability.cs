using Backup.Catalog.Immutability;
using Backup.Catalog.Retention;
using Backup.Policy.Immutability;

namespace Backup.Functions.Immutability;

/// <summary>
/// Locks on the objects of replicas. No credential that leaves this process can touch them: agents' grants hold no right to set, change or lift one.
/// Implementations are safe to use from several threads.
/// </summary>
public interface IImmutability
{
    /// <summary>Who keeps locks in that container.</summary>
    /// <exception cref="ControlPlaneException">The storage cannot be reached or refuses.</exception>
    Task<LockKind> KindOfAsync(ReplicaPlaceId place, CancellationToken cancel);

    /// <summary>
    /// Sees that the container's own retention and legal hold are there. Only an emulated container gets them here: on Azure they belong to whoever manages the account,
    /// and this app's rights do not reach them.
    /// </summary>
    /// <param name="place">The replica, in a tier whose locks are the container's.</param>
    /// <param name="retention">How long, from each object's creation.</param>
    /// <param name="isHeld">A legal hold is wanted.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="ControlPlaneException">They are not there, and the text says how to set them; or the storage cannot be reached or refuses.</exception>
    Task RequireContainerAsync(ReplicaPlaceId place, TimeSpan retention, bool isHeld, CancellationToken cancel);

    /// <summary>Locks by store object; objects without one may be left out.</summary>
    /// <exception cref="ControlPlaneException">The storage cannot be reached or refuses.</exception>
    Task<IReadOnlyDictionary<string, ObjectLock>> ListAsync(ReplicaPlaceId place, CancellationToken cancel);

    /// <summary>Sets or extends locks. None is shortened; objects that are gone are no fault.</summary>
    /// <param name="place">The replica.</param>
    /// <param name="extensions">What to lock until when.</param>
    /// <param name="isFinal">Nobody can shorten them afterwards.</param>
    /// <param name="cancel">Gives up; what was locked stays locked.</param>
    /// <returns>How many locks were set or extended: all but those of objects that are gone.</returns>
    /// <exception cref="ControlPlaneException">The storage cannot be reached or refuses.</exception>
    Task<int> ExtendAsync(ReplicaPlaceId place, IReadOnlyList<LockExtension> extensions, bool isFinal, CancellationToken cancel);

    /// <summary>Sets or lifts legal holds. Objects that are gone are no fault.</summary>
    /// <returns>How many were set or lifted: all but those of objects that are gone.</returns>
    /// <exception cref="ControlPlaneException">The storage cannot be reached or refuses.</exception>
    Task<int> HoldAsync(ReplicaPlaceId place, IReadOnlyList<string> objects, bool isHeld, CancellationToken cancel);
}
