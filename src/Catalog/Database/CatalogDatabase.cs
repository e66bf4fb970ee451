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
