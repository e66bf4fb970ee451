using Backup.Catalog.Audit;
using Backup.Catalog.Database;
using Backup.Catalog.Paging;
using Backup.Policy;
using Npgsql;

namespace Backup.Catalog.Groups;

/// <summary>The group points. Writes are idempotent. A group point exists only when every member's run made a whole recovery point that still lives.</summary>
public sealed class GroupPointStore(CatalogDatabase database, AuditTrail audit, TimeProvider clock)
{
    private const string Columns =
        """
        g.id, g.group_name, g.recorded_at, g.is_held, g.oldest, g.newest, g.expired_at,
        array(select m.asset from group_point_member m where m.group_point_id = g.id order by m.ordinal) as assets,
        array(select m.recovery_point_id from group_point_member m where m.group_point_id = g.id order by m.ordinal) as points
        """;

    /// <summary>Records a group point; one of that id stays as it is.</summary>
    /// <exception cref="CatalogException">NotAllowed: a member's run made no recovery point, or one that is not whole or no longer lives; or the database failed.</exception>
    public Task<GroupPoint> RecordAsync(NewGroupPoint point, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            if (await FindAsync(session, point.Id, cancel).ConfigureAwait(false) is { } known)
            {
                return known;
            }

            var made = await MadeAsync(session, point, cancel).ConfigureAwait(false);
            if (LackOf(made) is { } lack)
            {
                throw NotAllowed(point, lack);
            }

            await InsertAsync(session, point, made, "group-point.recorded", cancel).ConfigureAwait(false);
            return (await FindAsync(session, point.Id, cancel).ConfigureAwait(false))!;
        },
        cancel);

    /// <summary>
    /// Takes in a group point that snapshots tell of, once each member's is known, whole and alive. Only where the catalog lost what it knew: of runs of its own it
    /// knows whether they became a group point.
    /// </summary>
    /// <returns>True when this call recorded it.</returns>
    public Task<bool> AdoptAsync(NewGroupPoint point, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            if (await FindAsync(session, point.Id, cancel).ConfigureAwait(false) is not null)
            {
                return false;
            }

            var made = await MadeAsync(session, point, cancel).ConfigureAwait(false);
            if (LackOf(made) is not null || !made.Exists(m => m.IsRebuilt))
            {
                return false;
            }

            await InsertAsync(session, point, made, "group-point.adopted", cancel).ConfigureAwait(false);
            return true;
        },
        cancel);

    /// <summary>The group point, or null.</summary>
    public Task<GroupPoint?> FindAsync(GroupPointId id, CancellationToken cancel) => database.ReadAsync(session => FindAsync(session, id, cancel), cancel);

    /// <summary>Group points, newest first; of one group when it is given.</summary>
    /// <exception cref="CatalogException">The token is not one of this list, or the database failed.</exception>
    public Task<CatalogPage<GroupPoint>> ListAsync(GroupName? group, string? continuation, int limit, CancellationToken cancel) => database.ReadPageAsync(
        $"select {Columns} from group_point g where (g.newest, g.id) < ($1, $2) and ($4::text is null or g.group_name = $4) order by g.newest desc, g.id desc limit $3",
        Read,
        point => new PageCursor(point.Newest, point.Id.Value),
        continuation,
        limit,
        cancel,
        group?.Value);

    /// <summary>The living group points that any point of these assets belongs to, with all their members.</summary>
    public Task<IReadOnlyList<GroupPoint>> LivingOfAsync(IReadOnlyCollection<AssetName> assets, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<GroupPoint>>(
        async session => await session.QueryAsync(
            $"select {Columns} from group_point g where g.expired_at is null and g.id in (select group_point_id from group_point_member where asset = any($1))",
            Read,
            cancel,
            (object)assets.Select(a => a.Value).ToArray()).ConfigureAwait(false),
        cancel);

    /// <summary>Gives up the living group points that points given up just now belong to: without one member there is no whole.</summary>
    internal static Task<int> ExpireAsync(CatalogSession session, string expiredBy, DateTimeOffset now, CancellationToken cancel) => session.ExecuteAsync(
        """
        update group_point set expired_at = $2 where expired_at is null and id in (
            select m.group_point_id from group_point_member m join recovery_point p on p.id = m.recovery_point_id where p.expired_by = $1)
        """,
        cancel,
        expiredBy,
        now);

    /// <summary>What the runs of a group's backup made, in the group's order.</summary>
    private static Task<List<MadePoint>> MadeAsync(CatalogSession session, NewGroupPoint point, CancellationToken cancel) => session.QueryAsync(
        """
        select u.run, p.id, p.asset, p.instant, p.is_partial, p.missing_since is null and p.expired_at is null as lives, coalesce(r.rebuilt, false) as rebuilt
        from unnest($1::text[]) with ordinality as u (run, ordinal) left join recovery_point p on p.run_id = u.run left join run r on r.id = u.run order by u.ordinal
        """,
        row => new MadePoint(
            row.Text("run"), row.TextOrNull("id"), row.TextOrNull("asset"), row.InstantOrNull("instant"), row.TextOrNull("id") is not null && !row.Flag("is_partial"), row.Flag("lives"), row.Flag("rebuilt")),
        cancel,
        (object)point.Runs.Select(run => run.Value).ToArray());

    private async Task InsertAsync(CatalogSession session, NewGroupPoint point, List<MadePoint> made, string deed, CancellationToken cancel)
    {
        await session.ExecuteAsync(
            "insert into group_point (id, group_name, requested_by, recorded_at, is_held, oldest, newest) values ($1, $2, $3, $4, $5, $6, $7)",
            cancel,
            point.Id.Value,
            point.Group.Value,
            point.RequestedBy,
            clock.GetUtcNow(),
            point.IsHeld,
            made.Min(m => m.Instant),
            made.Max(m => m.Instant)).ConfigureAwait(false);
        await session.ExecuteAsync(
            "insert into group_point_member (group_point_id, ordinal, asset, recovery_point_id) select $1, u.ordinal, u.asset, u.id from unnest($2::text[], $3::text[]) with ordinality as u (asset, id, ordinal)",
            cancel,
            point.Id.Value,
            made.Select(m => m.Asset!).ToArray(),
            made.Select(m => m.Id!).ToArray()).ConfigureAwait(false);
        await audit.AppendAsync(session, point.RequestedBy, deed, point.Id.Value, $"group {point.Group}: {string.Join(", ", made.Select(m => $"{m.Asset} {m.Id}"))}", cancel).ConfigureAwait(false);
    }

    /// <summary>Null when every member's point is whole and lives.</summary>
    private static string? LackOf(List<MadePoint> made) => made.Select(m => (m.Id, m.IsWhole, m.Lives) switch
    {
        (null, _, _) => $"run {m.Run} made no recovery point",
        (_, false, _) => $"run {m.Run} could not read everything",
        (_, _, false) => $"the recovery point of run {m.Run} is gone already",
        _ => null,
    }).FirstOrDefault(why => why is not null) ?? (made.Count < 2 ? "it has fewer than two members" : null);

    private static CatalogException NotAllowed(NewGroupPoint point, string why) =>
        new(CatalogFault.NotAllowed, $"There is no point of group {point.Group}: {why}.", "GET /api/runs/{id} says why; the members' own recovery points are there all the same.");

    private static async Task<GroupPoint?> FindAsync(CatalogSession session, GroupPointId id, CancellationToken cancel) =>
        (await session.QueryAsync($"select {Columns} from group_point g where g.id = $1", Read, cancel, id.Value).ConfigureAwait(false)).FirstOrDefault();

    private static GroupPoint Read(NpgsqlDataReader row) => new(
        new(row.Text("id")),
        new(row.Text("group_name")),
        row.Instant("recorded_at"),
        row.Flag("is_held"),
        row.Instant("oldest"),
        row.Instant("newest"),
        row.InstantOrNull("expired_at"),
        [.. row.GetFieldValue<string[]>(row.GetOrdinal("assets")).Zip(row.GetFieldValue<string[]>(row.GetOrdinal("points")), (asset, point) => new GroupPointMember(new(asset), new(point)))]);

    /// <summary>What a member's run made.</summary>
    private sealed record MadePoint(string Run, string? Id, string? Asset, DateTimeOffset? Instant, bool IsWhole, bool Lives, bool IsRebuilt);
}
