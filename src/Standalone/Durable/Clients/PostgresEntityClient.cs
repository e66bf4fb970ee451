using Backup.Standalone.Durable.Entities;
using Backup.Standalone.Durable.Store;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Client;
using Microsoft.DurableTask.Client.Entities;
using Microsoft.DurableTask.Entities;

namespace Backup.Standalone.Durable.Clients;

/// <summary>The client of a hub's entities.</summary>
internal sealed class PostgresEntityClient(string name, DurableHub hub, DurableTaskClientOptions options) : DurableEntityClient(name)
{
    private readonly EntityQueries _queries = new(hub.Database);

    public override async Task SignalEntityAsync(
        EntityInstanceId id, string operationName, object? input = null, SignalEntityOptions? signal = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(operationName);
        await hub.Database.EnsureReadyAsync(cancellation).ConfigureAwait(false);
        var request = new EntityRequest(EntityRequestKind.Signal, operationName, options.DataConverter.Serialize(input));
        await hub.Committer.CommitAsync(new MessageCommit(request.To(id.ToString(), signal?.SignalTime)), cancellation).ConfigureAwait(false);
    }

    public override async Task<EntityMetadata?> GetEntityAsync(
        EntityInstanceId id, bool includeState = true, CancellationToken cancellation = default) =>
        await FindAsync(id, cancellation).ConfigureAwait(false) is { } found ? ToMetadata(found, includeState) : null;

    public override async Task<EntityMetadata<T>?> GetEntityAsync<T>(
        EntityInstanceId id, bool includeState = true, CancellationToken cancellation = default) =>
        await FindAsync(id, cancellation).ConfigureAwait(false) is { } found ? ToMetadata<T>(found, includeState) : null;

    public override AsyncPageable<EntityMetadata> GetAllEntitiesAsync(EntityQuery? filter = null) => GetAll(filter, ToMetadata);

    public override AsyncPageable<EntityMetadata<T>> GetAllEntitiesAsync<T>(EntityQuery? filter = null) => GetAll(filter, ToMetadata<T>);

    public override async Task<CleanEntityStorageResult> CleanEntityStorageAsync(
        CleanEntityStorageRequest? request = null, bool continueUntilComplete = true, CancellationToken cancellation = default)
    {
        await hub.Database.EnsureReadyAsync(cancellation).ConfigureAwait(false);
        var asked = request ?? CleanEntityStorageRequest.Default;
        var removed = 0;
        var released = 0;
        var after = asked.ContinuationToken;
        do
        {
            var page = await _queries.ScanAsync(after, cancellation).ConfigureAwait(false);
            if (asked.ReleaseOrphanedLocks)
            {
                released += await ReleaseAsync(page.Values, cancellation).ConfigureAwait(false);
            }

            if (asked.RemoveEmptyEntities)
            {
                removed += await _queries.RemoveEmptyAsync([.. page.Values.Select(e => e.Id)], cancellation).ConfigureAwait(false);
            }

            after = page.ContinuationToken;
        }
        while (continueUntilComplete && after is not null);

        return new CleanEntityStorageResult { EmptyEntitiesRemoved = removed, OrphanedLocksReleased = released, ContinuationToken = after };
    }

    private AsyncPageable<T> GetAll<T>(EntityQuery? filter, Func<EntityRow, bool, T> convert)
        where T : notnull
    {
        var query = filter ?? new EntityQuery();
        return Pageable.Create(async (continuation, pageSize, cancellation) =>
        {
            await hub.Database.EnsureReadyAsync(cancellation).ConfigureAwait(false);
            var page = await _queries.QueryAsync(
                query, continuation ?? query.ContinuationToken, pageSize ?? query.PageSize ?? EntityQuery.DefaultPageSize, cancellation).ConfigureAwait(false);
            return new Page<T>([.. page.Values.Select(e => convert(e, query.IncludeState))], page.ContinuationToken);
        });
    }

    private async Task<EntityRow?> FindAsync(EntityInstanceId id, CancellationToken cancellation)
    {
        await hub.Database.EnsureReadyAsync(cancellation).ConfigureAwait(false);
        var found = await _queries.FindAsync(id.ToString(), cancellation).ConfigureAwait(false);
        return found?.State is null ? null : found;
    }

    // The entity itself releases the lock, since only its turns may change it: it is sent what the ended orchestration did not send.
    private async Task<int> ReleaseAsync(IReadOnlyList<EntityRow> entities, CancellationToken cancellation)
    {
        var released = 0;
        foreach (var entity in entities)
        {
            if (entity.Lock is { } held
                && await hub.Queries.FindAsync(held.Owner, cancellation).ConfigureAwait(false) is not { IsFinished: false })
            {
                var request = new EntityRequest(EntityRequestKind.Release, "release", null) { Id = held.Section, Caller = held.Owner };
                await hub.Committer.CommitAsync(new MessageCommit(request.To(entity.Id)), cancellation).ConfigureAwait(false);
                released++;
            }
        }

        return released;
    }

    private EntityMetadata ToMetadata(EntityRow entity, bool includeState) => new(
        EntityInstanceId.FromString(entity.Id),
        includeState && entity.State is not null ? new SerializedData(entity.State, options.DataConverter) : null)
    {
        LastModifiedTime = new DateTimeOffset(entity.UpdatedAt, TimeSpan.Zero),
        BacklogQueueSize = entity.Backlog,
        LockedBy = entity.Lock?.Owner,
    };

    private EntityMetadata<T> ToMetadata<T>(EntityRow entity, bool includeState)
    {
        var id = EntityInstanceId.FromString(entity.Id);
        var modified = new DateTimeOffset(entity.UpdatedAt, TimeSpan.Zero);
        return includeState && entity.State is not null
            ? new EntityMetadata<T>(id, options.DataConverter.Deserialize<T>(entity.State))
            {
                LastModifiedTime = modified,
                BacklogQueueSize = entity.Backlog,
                LockedBy = entity.Lock?.Owner,
            }
            : new EntityMetadata<T>(id) { LastModifiedTime = modified, BacklogQueueSize = entity.Backlog, LockedBy = entity.Lock?.Owner };
    }
}
