using Backup.Catalog.Database;
using Backup.Policy;
using Npgsql;

namespace Backup.Catalog.Rpo;

/// <summary>An asset's RPO clock. Times are of the control plane's clock.</summary>
/// <param name="Asset">Whose.</param>
/// <param name="RestorableAt">Everything committed up to here can be restored; null until that is known.</param>
/// <param name="HeardAt">When the agent last told of it.</param>
/// <param name="DurableLsn">Behind the last byte of log in the vault.</param>
/// <param name="ServerLsn">Behind the last byte of log on the server.</param>
/// <param name="SlotBytes">Log that the server keeps for the agent.</param>
/// <param name="Problem">What the agent said stands in the way.</param>
public sealed record RpoClock(AssetName Asset, DateTimeOffset? RestorableAt, DateTimeOffset HeardAt, string? DurableLsn, string? ServerLsn, long? SlotBytes, string? Problem);

/// <summary>The RPO clocks.</summary>
public sealed class RpoClockStore(CatalogDatabase database)
{
    /// <summary>Sets clocks. One whose restorable moment is not known now keeps the one it had. Assets that the catalog does not know are passed over.</summary>
    /// <exception cref="CatalogException">The database failed.</exception>
    public Task SetAsync(IReadOnlyList<RpoClock> clocks, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            foreach (var clock in clocks)
            {
                await session.ExecuteAsync(
                    """
                    insert into rpo_clock (asset, restorable_at, heard_at, durable_lsn, server_lsn, slot_bytes, problem)
                    select name, $2, $3, $4, $5, $6, $7 from asset where name = $1
                    on conflict (asset) do update set restorable_at = coalesce(excluded.restorable_at, rpo_clock.restorable_at), heard_at = excluded.heard_at,
                        durable_lsn = coalesce(excluded.durable_lsn, rpo_clock.durable_lsn), server_lsn = excluded.server_lsn, slot_bytes = excluded.slot_bytes, problem = excluded.problem
                    """,
                    cancel,
                    clock.Asset.Value,
                    clock.RestorableAt?.ToUniversalTime(),
                    clock.HeardAt.ToUniversalTime(),
                    clock.DurableLsn,
                    clock.ServerLsn,
                    clock.SlotBytes,
                    clock.Problem).ConfigureAwait(false);
            }

            return true;
        },
        cancel);

    /// <summary>The clocks of assets, those that have one.</summary>
    /// <exception cref="CatalogException">The database failed.</exception>
    public Task<IReadOnlyList<RpoClock>> ListAsync(IReadOnlyList<AssetName> assets, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<RpoClock>>(
        async session => await session.QueryAsync(
            "select asset, restorable_at, heard_at, durable_lsn, server_lsn, slot_bytes, problem from rpo_clock where asset = any($1) order by asset",
            Read,
            cancel,
            (object)assets.Select(asset => asset.Value).ToArray()).ConfigureAwait(false),
        cancel);

    private static RpoClock Read(NpgsqlDataReader row) => new(
        new(row.Text("asset")), row.InstantOrNull("restorable_at"), row.Instant("heard_at"), row.TextOrNull("durable_lsn"), row.TextOrNull("server_lsn"), row.NumberOrNull("slot_bytes"), row.TextOrNull("problem"));
}
