using Backup.Catalog.Audit;
using Backup.Catalog.Database;
using Backup.Catalog.Paging;
using Backup.Policy;
using Npgsql;

namespace Backup.Catalog.Verifications;

/// <summary>What the verification of a vault by its agent found.</summary>
/// <param name="Id">Deterministic, so that a repeated record is one.</param>
/// <param name="Agent">Whose vault.</param>
/// <param name="Vault">The vault.</param>
/// <param name="VaultId">The vault's own id.</param>
/// <param name="At">When it was recorded.</param>
/// <param name="Depth"><c>data</c> or <c>hashes</c>.</param>
/// <param name="IsSound">Nothing was wrong, or all of it was mended.</param>
/// <param name="ObjectsChecked">Store objects whose presence and length were compared.</param>
/// <param name="ObjectsRead">Store objects that were read.</param>
/// <param name="BytesRead">Their bytes.</param>
/// <param name="OldestVerification">Since when every pack has been verified at that depth; null when some never were.</param>
/// <param name="ProblemsTotal">What was missing or damaged.</param>
/// <param name="Mended">What of it was mended from a healthy copy.</param>
/// <param name="Quarantined">Wrong objects that were put aside.</param>
/// <param name="Finding">For people.</param>
public sealed record VaultLook(
    string Id, AgentName Agent, VaultName Vault, string VaultId, DateTimeOffset At, string Depth, bool IsSound, long ObjectsChecked, long ObjectsRead, long BytesRead,
    DateTimeOffset? OldestVerification, long ProblemsTotal, long Mended, long Quarantined, string Finding);

/// <summary>What verifications of vaults found. Writes are idempotent.</summary>
public sealed class VaultVerificationStore(CatalogDatabase database, AuditTrail audit)
{
    private const string Columns =
        "id, agent, vault, vault_id, at, depth, is_sound, objects_checked, objects_read, bytes_read, oldest_verification, problems_total, mended, quarantined, finding";

    /// <summary>Records what was found, once per id.</summary>
    /// <returns>True when it was recorded now.</returns>
    public Task<bool> RecordAsync(VaultLook look, string actor, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            ArgumentNullException.ThrowIfNull(look);
            var inserted = await session.ExecuteAsync(
                $"insert into vault_verification ({Columns}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) on conflict (id) do nothing",
                cancel,
                look.Id,
                look.Agent.Value,
                look.Vault.Value,
                look.VaultId,
                look.At.ToUniversalTime(),
                look.Depth,
                look.IsSound,
                look.ObjectsChecked,
                look.ObjectsRead,
                look.BytesRead,
                look.OldestVerification?.ToUniversalTime(),
                look.ProblemsTotal,
                look.Mended,
                look.Quarantined,
                look.Finding).ConfigureAwait(false);
            if (inserted == 1)
            {
                await audit.AppendAsync(session, actor, look.IsSound ? "vault.verified" : "vault.damaged", $"{look.Agent}/{look.Vault}", look.Finding, cancel).ConfigureAwait(false);
            }

            return inserted == 1;
        },
        cancel);

    /// <summary>The newest of each vault.</summary>
    public Task<IReadOnlyList<VaultLook>> ListNewestAsync(CancellationToken cancel) => database.ReadAsync<IReadOnlyList<VaultLook>>(
        async session => await session.QueryAsync($"select distinct on (agent, vault) {Columns} from vault_verification order by agent, vault, at desc", Read, cancel).ConfigureAwait(false), cancel);

    /// <summary>The newest of a vault; null when it was never verified.</summary>
    public Task<VaultLook?> FindNewestAsync(AgentName agent, VaultName vault, CancellationToken cancel) => database.ReadAsync(
        async session => (await session.QueryAsync(
            $"select {Columns} from vault_verification where agent = $1 and vault = $2 order by at desc limit 1", Read, cancel, agent.Value, vault.Value).ConfigureAwait(false)).FirstOrDefault(),
        cancel);

    /// <summary>All, newest first.</summary>
    /// <exception cref="CatalogException">The token is not one of this list, or the database failed.</exception>
    public Task<CatalogPage<VaultLook>> ListAsync(string? continuation, int limit, CancellationToken cancel) => database.ReadPageAsync(
        $"select {Columns} from vault_verification where (at, id) < ($1, $2) order by at desc, id desc limit $3", Read, look => new PageCursor(look.At, look.Id), continuation, limit, cancel);

    private static VaultLook Read(NpgsqlDataReader row) => new(
        row.Text("id"),
        new(row.Text("agent")),
        new(row.Text("vault")),
        row.Text("vault_id"),
        row.Instant("at"),
        row.Text("depth"),
        row.Flag("is_sound"),
        row.Number("objects_checked"),
        row.Number("objects_read"),
        row.Number("bytes_read"),
        row.InstantOrNull("oldest_verification"),
        row.Number("problems_total"),
        row.Number("mended"),
        row.Number("quarantined"),
        row.Text("finding"));
}
