using Backup.Catalog.Database;

namespace Backup.Catalog.Audit;

/// <summary>
/// Who did what, chained by hashes: changing or removing a row breaks every later one. Rows are written in the transaction of
/// the deed, so there is never one without the other. Removing the newest rows is only noticed by whoever kept a later hash.
/// </summary>
public sealed class AuditTrail(CatalogDatabase database, TimeProvider clock)
{
    /// <summary>Serialises writers of the chain: "BKAUDIT" in ASCII.</summary>
    private const long AdvisoryLock = 0x424B4155444954;

    private const int BatchRows = 1000;

    /// <summary>Checks the whole chain.</summary>
    /// <returns>How many rows it has.</returns>
    /// <exception cref="CatalogException">A row was changed, removed or inserted; the message says which.</exception>
    public Task<long> VerifyAsync(CancellationToken cancel) => database.ReadAsync(
        async session =>
        {
            var (sequence, hash) = (0L, AuditEntry.FirstHash);
            while (true)
            {
                var rows = await session.QueryAsync(
                    "select sequence, at, actor, action, subject, detail, previous_hash, hash from audit where sequence > $1 order by sequence limit $2",
                    row => new AuditEntry(row.Number("sequence"), row.Instant("at"), row.Text("actor"), row.Text("action"), row.Text("subject"), row.Text("detail"))
                    {
                        PreviousHash = row.GetFieldValue<byte[]>(row.GetOrdinal("previous_hash")),
                        Hash = row.GetFieldValue<byte[]>(row.GetOrdinal("hash")),
                    },
                    cancel,
                    sequence,
                    BatchRows).ConfigureAwait(false);
                foreach (var row in rows)
                {
                    if (row.Sequence != sequence + 1 || !row.PreviousHash.AsSpan().SequenceEqual(hash) || !row.ComputeHash().AsSpan().SequenceEqual(row.Hash))
                    {
                        throw new CatalogException(CatalogFault.AuditBroken, $"The audit trail is broken after row {sequence}.", "Treat this as a security incident: compare with a copy of the catalog from before.");
                    }

                    (sequence, hash) = (row.Sequence, row.Hash);
                }

                if (rows.Count < BatchRows)
                {
                    return sequence;
                }
            }
        },
        cancel);

    /// <summary>Adds a row in the caller's transaction.</summary>
    internal async Task AppendAsync(CatalogSession session, string actor, string action, string subject, string detail, CancellationToken cancel)
    {
        await session.ExecuteAsync("select pg_advisory_xact_lock($1)", cancel, AdvisoryLock).ConfigureAwait(false);
        var last = await session.QueryAsync(
            "select sequence, hash from audit order by sequence desc limit 1", row => (row.GetInt64(0), row.GetFieldValue<byte[]>(1)), cancel).ConfigureAwait(false);
        var (sequence, previous) = last.Count == 0 ? (0L, AuditEntry.FirstHash) : last[0];
        var ticks = clock.GetUtcNow().UtcTicks;
        var entry = new AuditEntry(sequence + 1, new DateTimeOffset(ticks - (ticks % TimeSpan.TicksPerMicrosecond), TimeSpan.Zero), actor, action, subject, detail)
        {
            PreviousHash = previous,
            Hash = [],
        };
        await session.ExecuteAsync(
            "insert into audit (sequence, at, actor, action, subject, detail, previous_hash, hash) values ($1, $2, $3, $4, $5, $6, $7, $8)",
            cancel,
            entry.Sequence,
            entry.At,
            entry.Actor,
            entry.Action,
            entry.Subject,
            entry.Detail,
            entry.PreviousHash,
            entry.ComputeHash()).ConfigureAwait(false);
    }
}
