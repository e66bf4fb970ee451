using Backup.Catalog.Immutability;
using Backup.Catalog.Retention;
using Backup.Functions.Immutability;
using Backup.Policy.Immutability;

namespace Backup.Functions.Tests.Scripted;

/// <summary>Storage whose containers were made without immutability.</summary>
internal sealed class NoLocks : IImmutability
{
    public Task<LockKind> KindOfAsync(ReplicaPlaceId place, CancellationToken cancel) => Task.FromResult(LockKind.None);

    public Task<IReadOnlyDictionary<string, ObjectLock>> ListAsync(ReplicaPlaceId place, CancellationToken cancel) =>
        Task.FromResult<IReadOnlyDictionary<string, ObjectLock>>(new Dictionary<string, ObjectLock>());

    public Task RequireContainerAsync(ReplicaPlaceId place, TimeSpan retention, bool isHeld, CancellationToken cancel) => Task.CompletedTask;

    public Task<int> ExtendAsync(ReplicaPlaceId place, IReadOnlyList<LockExtension> extensions, bool isFinal, CancellationToken cancel) => throw new NotSupportedException();

    public Task<int> HoldAsync(ReplicaPlaceId place, IReadOnlyList<string> objects, bool isHeld, CancellationToken cancel) => throw new NotSupportedException();
}
