using Backup.Catalog.Paging;
using Npgsql;

namespace Backup.Catalog.Database;

/// <summary>The catalog's PostgreSQL database. Every write is one transaction; a caller that sees an exception may repeat it.</summary>
/// <param name="source">Owned by the caller.</param>
public sealed class CatalogDatabase(NpgsqlDataSource source)
{
    /// <summary>Runs a write in one transaction, committed when the function returns.</summary>
    /// <exception cref="CatalogException">The database failed; the commit's own outcome may be unknown, so writes are idempotent.</exception>
    internal Task<T> WriteAsync<T>(Func<CatalogSession, Task<T>> write, CancellationToken cancel) => GuardAsync(
        async () =>
        {
            await using var connection = await source.OpenConnectionAsync(cancel).ConfigureAwait(false);
            await using var transaction = await connection.BeginTransactionAsync(cancel).ConfigureAwait(false);
            var result = await write(new CatalogSession(connection, transaction)).ConfigureAwait(false);
            await transaction.CommitAsync(cancel).ConfigureAwait(false);
            return result;
        });

    /// <summary>Runs a read.</summary>
    /// <exception cref="CatalogException">The database failed.</exception>
    internal Task<T> ReadAsync<T>(Func<CatalogSession, Task<T>> read, CancellationToken cancel) => GuardAsync(
        async () =>
        {
            await using var connection = await source.OpenConnectionAsync(cancel).ConfigureAwait(false);
            return await read(new CatalogSession(connection, null)).ConfigureAwait(false);
        });

    /// <summary>Reads one page of a list, newest first.</summary>
    /// <param name="sql">Asks for at most $3 rows behind the instant $1 and the id $2; filters begin at $4.</param>
    /// <param name="read">Reads a row.</param>
    /// <param name="placeOf">The place of a row in the list.</param>
    /// <param name="continuation">The token of the page before; null for the first one.</param>
    /// <param name="limit">Rows in a page, 1 to <see cref="PageCursor.LimitMax"/>.</param>
    /// <param name="cancel">Gives up.</param>
    /// <param name="filters">Values from $4 on.</param>
    /// <exception cref="CatalogException">The token is not one of this list, or the database failed.</exception>
    internal Task<CatalogPage<T>> ReadPageAsync<T>(
        string sql, Func<NpgsqlDataReader, T> read, Func<T, PageCursor> placeOf, string? continuation, int limit, CancellationToken cancel, params object?[] filters)
    {
        var cursor = PageCursor.Read(continuation);
        PageCursor.CheckLimit(limit);
        return ReadAsync(
            async session => PageCursor.Page(
                await session.QueryAsync(sql, read, cancel, [cursor.Before, cursor.Id, limit + 1, .. filters]).ConfigureAwait(false), limit, placeOf),
            cancel);
    }

    private static async Task<T> GuardAsync<T>(Func<Task<T>> work)
    {
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (NpgsqlException e) when (e.IsTransient || e is not PostgresException)
        {
            throw new CatalogException(CatalogFault.Unavailable, $"The catalog database cannot be used now: {e.Message}", "Check that PostgreSQL runs and that ConnectionStrings:Catalog is right.", e);
        }
        catch (PostgresException e)
        {
            throw new CatalogException(CatalogFault.Refused, $"The catalog database refused a statement: {e.MessageText} ({e.SqlState})", "Check the rights of the catalog's role; otherwise this is a fault in the program.", e);
        }
    }
}
