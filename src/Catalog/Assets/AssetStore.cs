using Backup.Catalog.Audit;
using Backup.Catalog.Database;
using Backup.Policy;
using Npgsql;

namespace Backup.Catalog.Assets;

/// <summary>An asset that the catalog has heard of, from the policy or from a vault.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind">Which source reads it.</param>
/// <param name="Agent">The agent next to it.</param>
/// <param name="Vault">Where it is stored.</param>
/// <param name="IsInPolicy">False: protected once, no longer in the policy; its recovery points stay restorable.</param>
/// <param name="FirstSeenAt">When the catalog first heard of it.</param>
public sealed record CatalogAsset(AssetName Name, SourceKind Kind, AgentName Agent, VaultName Vault, bool IsInPolicy, DateTimeOffset FirstSeenAt);

/// <summary>The assets that runs and recovery points belong to. Writes are idempotent.</summary>
public sealed class AssetStore(CatalogDatabase database, AuditTrail audit, TimeProvider clock)
{
    /// <summary>Makes the catalog's assets those of the policy. Assets that left it are kept, marked.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="actor">Who loaded it.</param>
    /// <param name="cancel">Stops waiting for the database.</param>
    public Task<bool> SyncAsync(PolicyDocument policy, string actor, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var now = clock.GetUtcNow();
            var changes = new List<string>();
            foreach (var asset in policy.Assets)
            {
                var changed = await session.ExecuteAsync(
                    """
                    insert into asset (name, kind, agent, vault, service_class, data_class, in_policy, first_seen_at, changed_at) values ($1, $2, $3, $4, $5, $6, true, $7, $7)
                    on conflict (name) do update set kind = excluded.kind, agent = excluded.agent, vault = excluded.vault,
                        service_class = excluded.service_class, data_class = excluded.data_class, in_policy = true, changed_at = excluded.changed_at
                    where (asset.kind, asset.agent, asset.vault, asset.service_class, asset.data_class, asset.in_policy)
                        is distinct from (excluded.kind, excluded.agent, excluded.vault, excluded.service_class, excluded.data_class, true)
                    """,
                    cancel,
                    asset.Name.Value,
                    asset.Kind.Word(),
                    asset.Agent.Value,
                    asset.Vault.Value,
                    asset.ServiceClass.Value,
                    asset.DataClass.Value,
                    now).ConfigureAwait(false);
                if (changed == 1)
                {
                    changes.Add(asset.Name.Value);
                }
            }

            var removed = await session.QueryAsync(
                "update asset set in_policy = false, changed_at = $2 where in_policy and name <> all($1) returning name",
                row => row.GetString(0),
                cancel,
                policy.Assets.Select(a => a.Name.Value).ToArray(),
                now).ConfigureAwait(false);
            if (changes.Count + removed.Count > 0)
            {
                await audit.AppendAsync(session, actor, "policy.loaded", "policy", $"changed: {string.Join(", ", changes)}; removed: {string.Join(", ", removed)}", cancel).ConfigureAwait(false);
            }

            return changes.Count + removed.Count > 0;
        },
        cancel);

    /// <summary>Takes note of an asset that only a vault knows. Nothing changes when the catalog knows it.</summary>
    public Task<bool> NoteAsync(AssetName name, SourceKind kind, AgentName agent, VaultName vault, CancellationToken cancel) => database.WriteAsync(
        async session => await session.ExecuteAsync(
            """
            insert into asset (name, kind, agent, vault, service_class, data_class, in_policy, first_seen_at, changed_at) values ($1, $2, $3, $4, '', '', false, $5, $5)
            on conflict (name) do nothing
            """,
            cancel,
            name.Value,
            kind.Word(),
            agent.Value,
            vault.Value,
            clock.GetUtcNow()).ConfigureAwait(false) == 1,
        cancel);

    /// <summary>The asset, or null.</summary>
    public Task<CatalogAsset?> FindAsync(AssetName name, CancellationToken cancel) => database.ReadAsync(
        async session => (await session.QueryAsync(
            "select name, kind, agent, vault, in_policy, first_seen_at from asset where name = $1", Read, cancel, name.Value).ConfigureAwait(false)).FirstOrDefault(),
        cancel);

    /// <summary>Assets by name, beginning after the given one; at most <paramref name="limit"/>.</summary>
    public Task<IReadOnlyList<CatalogAsset>> ListAsync(AssetName? after, int limit, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<CatalogAsset>>(
        async session => await session.QueryAsync(
            """select name, kind, agent, vault, in_policy, first_seen_at from asset where name collate "C" > $1 order by name collate "C" limit $2""",
            Read,
            cancel,
            after?.Value ?? "",
            limit).ConfigureAwait(false),
        cancel);

    private static CatalogAsset Read(NpgsqlDataReader row) => new(
        new(row.Text("name")),
        row.Choice<SourceKind>("kind"),
        new(row.Text("agent")),
        new(row.Text("vault")),
        row.Flag("in_policy"),
        row.Instant("first_seen_at"));
}
