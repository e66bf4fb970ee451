namespace Backup.Catalog.Archive;

/// <content>Copies of archived packs in the online tier, when they may go.</content>
public sealed partial class ArchiveStore
{
    /// <summary>Ended restores whose copies have been kept long enough, with the packs of theirs that no other restore needs.</summary>
    public Task<IReadOnlyList<ReleasableCopies>> ListReleasableAsync(CancellationToken cancel) => database.ReadAsync<IReadOnlyList<ReleasableCopies>>(
        async session =>
        {
            var now = clock.GetUtcNow();
            var due = await session.QueryAsync(
                $"select {Columns} from archive_restore r where r.copies_kept_until <= $1 and r.copies_removed_at is null order by r.ended_at", Read, cancel, now).ConfigureAwait(false);
            var releasable = new List<ReleasableCopies>();
            foreach (var restore in due)
            {
                var packs = await session.QueryAsync(
                    """
                    select p.member, p.name from archive_restore_pack p join archive_restore_member m on m.restore_id = p.restore_id and m.ordinal = p.member
                    where p.restore_id = $1 and not exists (
                        select from archive_restore_pack q join archive_restore_member n on n.restore_id = q.restore_id and n.ordinal = q.member join archive_restore o on o.id = q.restore_id
                        where o.id <> $1 and q.name = p.name and n.container_uri = m.container_uri and n.vault_id = m.vault_id and (o.state in ('running', 'cancelling') or o.copies_kept_until > $2))
                    """,
                    row => (Member: row.GetInt32(0), Name: row.GetString(1)),
                    cancel,
                    restore.Id.Value,
                    now).ConfigureAwait(false);
                releasable.Add(new ReleasableCopies(
                    restore.Id, [.. packs.GroupBy(p => restore.Members[p.Member].Place, p => p.Name).Select(g => (g.Key, (IReadOnlyList<string>)[.. g]))]));
            }

            return releasable;
        },
        cancel);

    /// <summary>Notes that a restore's copies are gone.</summary>
    public Task<int> MarkReleasedAsync(RestoreId id, int packs, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var marked = await session.ExecuteAsync("update archive_restore set copies_removed_at = $2 where id = $1 and copies_removed_at is null", cancel, id.Value, clock.GetUtcNow()).ConfigureAwait(false);
            if (marked == 1)
            {
                await audit.AppendAsync(session, "schedule", "archive.released", id.Value, $"{packs} copies were removed from the online tier", cancel).ConfigureAwait(false);
            }

            return marked;
        },
        cancel);
}
