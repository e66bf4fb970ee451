using Backup.Catalog.Audit;
using Backup.Catalog.Database;
using Backup.Catalog.Paging;
using Npgsql;

namespace Backup.Catalog.Alerts;

/// <summary>What people have to look at.</summary>
public enum AlertKind
{
    /// <summary>A run looks like ransomware at work; retention is frozen for the asset.</summary>
    Ransomware,

    /// <summary>A retention plan waits for approvals, was refused or could not be executed.</summary>
    Retention,

    /// <summary>A vault or tier is nearly full, or soon will be.</summary>
    Capacity,

    /// <summary>A copy is damaged, missing, or was not looked at in time.</summary>
    Verification,

    /// <summary>A replica that has to be immutable is not.</summary>
    Immutability,

    /// <summary>The newest restorable moment of a database is older than it should be.</summary>
    Rpo,

    /// <summary>The newest backup of a group made no group point.</summary>
    Group,
}

/// <summary>Something people have to look at.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Kind">What kind.</param>
/// <param name="Subject">Which asset, vault or tier.</param>
/// <param name="Text">What was noticed, the last time it was.</param>
/// <param name="RaisedAt">When it was first noticed.</param>
/// <param name="SeenAt">When it was last noticed.</param>
/// <param name="ClosedAt">When it ended; null while it is open.</param>
/// <param name="ClosedBy">By whom.</param>
/// <param name="ClosedReason">Why.</param>
public sealed record Alert(
    string Id, AlertKind Kind, string Subject, string Text, DateTimeOffset RaisedAt, DateTimeOffset SeenAt, DateTimeOffset? ClosedAt, string? ClosedBy, string? ClosedReason);

/// <summary>The alerts: one open alert per kind and subject. Writes are idempotent.</summary>
public sealed class AlertStore(CatalogDatabase database, AuditTrail audit, TimeProvider clock)
{
    private const string Columns = "id, kind, subject, text, raised_at, seen_at, closed_at, closed_by, closed_reason";

    /// <summary>Raises an alert, or notes that an open one was noticed again.</summary>
    public Task<bool> RaiseAsync(AlertKind kind, string subject, string text, string actor, CancellationToken cancel) =>
        database.WriteAsync(session => RaiseAsync(session, kind, subject, text, actor, cancel), cancel);

    /// <summary>Ends the open alert of that kind and subject, if there is one.</summary>
    public Task<bool> CloseAsync(AlertKind kind, string subject, string reason, string actor, CancellationToken cancel) =>
        database.WriteAsync(session => CloseAsync(session, kind, subject, reason, actor, cancel), cancel);

    /// <summary>Ends an alert by its id. One that has ended keeps its first end.</summary>
    /// <returns>The alert as it now is; null when there is none.</returns>
    public Task<Alert?> CloseAsync(string id, string reason, string actor, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            if (await FindAsync(session, id, cancel).ConfigureAwait(false) is { ClosedAt: null } open)
            {
                await CloseAsync(session, open.Kind, open.Subject, reason, actor, cancel).ConfigureAwait(false);
            }

            return await FindAsync(session, id, cancel).ConfigureAwait(false);
        },
        cancel);

    /// <summary>The open alerts of that kind, at most one for each subject, in no order.</summary>
    /// <exception cref="CatalogException">The database failed.</exception>
    public Task<IReadOnlyList<Alert>> ListOpenAsync(AlertKind kind, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<Alert>>(
        async session => await session.QueryAsync($"select {Columns} from alert where kind = $1 and closed_at is null", Read, cancel, kind.Word()).ConfigureAwait(false), cancel);

    /// <summary>Alerts, newest first; only open ones when asked.</summary>
    /// <exception cref="CatalogException">The token is not one of this list, or the database failed.</exception>
    public Task<CatalogPage<Alert>> ListAsync(bool onlyOpen, string? continuation, int limit, CancellationToken cancel) => database.ReadPageAsync(
        $"select {Columns} from alert where (raised_at, id) < ($1, $2) and (not $4 or closed_at is null) order by raised_at desc, id desc limit $3",
        Read,
        alert => new PageCursor(alert.RaisedAt, alert.Id),
        continuation,
        limit,
        cancel,
        onlyOpen);

    internal async Task<bool> RaiseAsync(CatalogSession session, AlertKind kind, string subject, string text, string actor, CancellationToken cancel)
    {
        var now = clock.GetUtcNow();
        var word = kind.Word();
        var isNew = await session.QueryAsync(
            """
            insert into alert (id, kind, subject, text, raised_at, seen_at) values ($1, $2, $3, $4, $5, $5)
            on conflict (kind, subject) where closed_at is null do update set text = excluded.text, seen_at = excluded.seen_at
            returning (xmax = 0) as is_new
            """,
            row => row.Flag("is_new"),
            cancel,
            $"alert-{Guid.CreateVersion7(now):N}",
            word,
            subject,
            text,
            now).ConfigureAwait(false);
        if (isNew[0])
        {
            await audit.AppendAsync(session, actor, "alert.raised", $"{word}/{subject}", text, cancel).ConfigureAwait(false);
        }

        return isNew[0];
    }

    internal async Task<bool> CloseAsync(CatalogSession session, AlertKind kind, string subject, string reason, string actor, CancellationToken cancel)
    {
        var word = kind.Word();
        var closed = await session.ExecuteAsync(
            "update alert set closed_at = $3, closed_by = $4, closed_reason = $5 where kind = $1 and subject = $2 and closed_at is null",
            cancel,
            word,
            subject,
            clock.GetUtcNow(),
            actor,
            reason).ConfigureAwait(false);
        if (closed == 1)
        {
            await audit.AppendAsync(session, actor, "alert.closed", $"{word}/{subject}", reason, cancel).ConfigureAwait(false);
        }

        return closed == 1;
    }

    private static async Task<Alert?> FindAsync(CatalogSession session, string id, CancellationToken cancel) =>
        (await session.QueryAsync($"select {Columns} from alert where id = $1", Read, cancel, id).ConfigureAwait(false)).FirstOrDefault();

    private static Alert Read(NpgsqlDataReader row) => new(
        row.Text("id"),
        row.Choice<AlertKind>("kind"),
        row.Text("subject"),
        row.Text("text"),
        row.Instant("raised_at"),
        row.Instant("seen_at"),
        row.InstantOrNull("closed_at"),
        row.TextOrNull("closed_by"),
        row.TextOrNull("closed_reason"));
}
