using Backup.Catalog.Database;
using Backup.Policy;
using Backup.Policy.Protection;
using Npgsql;

namespace Backup.Catalog.Protection;

/// <summary>How well an asset was protected from a moment on.</summary>
/// <param name="At">Since when.</param>
/// <param name="RecoveryPoint">Its newest recovery point then; null when it had none.</param>
/// <param name="State">The rule's state.</param>
public sealed record ProtectionRecord(DateTimeOffset At, RecoveryPointId? RecoveryPoint, CopyRuleState State);

/// <summary>The history of 3-2-1-1-0. Writes are idempotent.</summary>
public sealed class ProtectionStore(CatalogDatabase database, TimeProvider clock)
{
    private const string Columns = "at, recovery_point_id, copies, media, offsite, immutable, errors, restore_proven_at, missing";

    /// <summary>Records a state, if it differs from the newest recorded one in more than the recovery point.</summary>
    /// <param name="asset">Whose state.</param>
    /// <param name="assess">Computes it. Called while nobody else records the asset's state, so that a state is never recorded after a newer one.</param>
    /// <param name="cancel">Stops waiting for the database.</param>
    /// <returns>The state, and whether it was recorded now.</returns>
    public Task<(CopyRuleState State, bool IsNew)> RecordAsync(AssetName asset, Func<CancellationToken, Task<(CopyRuleState State, RecoveryPointId? Point)>> assess, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            ArgumentNullException.ThrowIfNull(assess);
            await session.ExecuteAsync("select from asset where name = $1 for update", cancel, asset.Value).ConfigureAwait(false);
            var (state, point) = await assess(cancel).ConfigureAwait(false);
            var last = await session.QueryAsync($"select {Columns} from protection_state where asset = $1 order by at desc limit 1", Read, cancel, asset.Value).ConfigureAwait(false);
            if (last is [var newest] && IsSame(newest.State, state))
            {
                return (state, false);
            }

            await session.ExecuteAsync(
                "insert into protection_state (asset, at, recovery_point_id, copies, media, offsite, immutable, errors, restore_proven_at, missing) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing",
                cancel,
                asset.Value,
                clock.GetUtcNow(),
                point?.Value,
                state.Copies,
                state.Media,
                state.Offsite,
                state.Immutable,
                state.Errors,
                state.RestoreProvenAt?.ToUniversalTime(),
                state.Missing.ToArray()).ConfigureAwait(false);
            return (state, true);
        },
        cancel);

    /// <summary>The newest states of an asset, newest first.</summary>
    public Task<IReadOnlyList<ProtectionRecord>> ListAsync(AssetName asset, int limit, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<ProtectionRecord>>(
        async session => await session.QueryAsync($"select {Columns} from protection_state where asset = $1 order by at desc limit $2", Read, cancel, asset.Value, limit).ConfigureAwait(false), cancel);

    // The lists are compared by their entries; a later proof alone is no other state.
    private static bool IsSame(CopyRuleState a, CopyRuleState b) =>
        a.Missing.SequenceEqual(b.Missing) && (a.Copies, a.Media, a.Offsite, a.Immutable, a.Errors) == (b.Copies, b.Media, b.Offsite, b.Immutable, b.Errors);

    private static ProtectionRecord Read(NpgsqlDataReader row) => new(
        row.Instant("at"),
        row.TextOrNull("recovery_point_id") is { } point ? new RecoveryPointId(point) : null,
        new CopyRuleState(
            row.GetInt32(row.GetOrdinal("copies")),
            row.GetInt32(row.GetOrdinal("media")),
            row.GetInt32(row.GetOrdinal("offsite")),
            row.GetInt32(row.GetOrdinal("immutable")),
            row.IsDBNull(row.GetOrdinal("errors")) ? null : row.GetInt32(row.GetOrdinal("errors")),
            row.InstantOrNull("restore_proven_at"),
            row.GetFieldValue<string[]>(row.GetOrdinal("missing"))));
}
