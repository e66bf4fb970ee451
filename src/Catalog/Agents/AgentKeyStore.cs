using System.Security.Cryptography;
using System.Text;
using Backup.Catalog.Audit;
using Backup.Catalog.Database;
using Backup.Policy;
using Npgsql;

namespace Backup.Catalog.Agents;

/// <summary>What became of a request to be enrolled.</summary>
public enum EnrolmentVerdict
{
    /// <summary>The agent's key is pinned, now or by the same request before.</summary>
    Enrolled,

    /// <summary>No such code was issued, or its secret is another. Deliberately one answer.</summary>
    WrongCode,

    /// <summary>The code's time is over.</summary>
    Expired,

    /// <summary>Another key used the code.</summary>
    Used,

    /// <summary>The code was issued for an agent of another name.</summary>
    WrongAgent,

    /// <summary>The key was revoked before.</summary>
    RevokedKey,
}

/// <summary>A key that an agent is or was known by.</summary>
/// <param name="KeyId">Which key.</param>
/// <param name="Identity">The public identity's text; empty for a revoked key that was never pinned here.</param>
/// <param name="State"><c>current</c>, <c>previous</c> or <c>revoked</c>.</param>
/// <param name="PinnedAt">When it was pinned, or revoked when it never was.</param>
/// <param name="AcceptUntil">With <c>previous</c>: until when its answers still count.</param>
public sealed record CatalogAgentKey(string KeyId, string Identity, string State, DateTimeOffset PinnedAt, DateTimeOffset? AcceptUntil);

/// <summary>Invitations of agents, the keys they are known by, and which control plane keys they confirmed. Writes are idempotent.</summary>
public sealed class AgentKeyStore(CatalogDatabase database, AuditTrail audit, TimeProvider clock)
{
    /// <summary>Notes an invitation.</summary>
    /// <param name="agent">Who is invited.</param>
    /// <param name="id">The code's id.</param>
    /// <param name="secretSha256">The hash of the code's secret.</param>
    /// <param name="expiresAt">When the code stops counting.</param>
    /// <param name="actor">Who invites.</param>
    /// <param name="cancel">Stops waiting for the database.</param>
    public Task<bool> InviteAsync(AgentName agent, string id, string secretSha256, DateTimeOffset expiresAt, string actor, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            await session.ExecuteAsync(
                "insert into agent_enrolment (id, agent, secret_sha256, issued_at, expires_at) values ($1, $2, $3, $4, $5)",
                cancel, id, agent.Value, secretSha256, clock.GetUtcNow(), expiresAt).ConfigureAwait(false);
            await audit.AppendAsync(session, actor, "agent.invited", agent.Value, $"enrolment {id} until {expiresAt:u}", cancel).ConfigureAwait(false);
            return true;
        },
        cancel);

    /// <summary>Judges a request to be enrolled and, when it is good, pins the agent's key in place of every earlier one.</summary>
    /// <param name="id">The code's id, as the request claims.</param>
    /// <param name="secretSha256">The hash of the secret in the request.</param>
    /// <param name="agent">The name the agent gives itself.</param>
    /// <param name="keyId">Its key.</param>
    /// <param name="identity">Its public identity's text.</param>
    /// <param name="cancel">Stops waiting for the database.</param>
    public Task<EnrolmentVerdict> EnrolAsync(string id, string secretSha256, string agent, string keyId, string identity, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            // Locked: two requests with one code come one after the other.
            var issued = (await session.QueryAsync(
                "select agent, secret_sha256, expires_at, used_by_key from agent_enrolment where id = $1 for update",
                row => (Agent: row.Text("agent"), Secret: row.Text("secret_sha256"), ExpiresAt: row.Instant("expires_at"), UsedBy: row.TextOrNull("used_by_key")),
                cancel, id).ConfigureAwait(false)).Select(e => ((string Agent, string Secret, DateTimeOffset ExpiresAt, string? UsedBy)?)e).FirstOrDefault();
            if (issued is not { } code || !CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(code.Secret), Encoding.UTF8.GetBytes(secretSha256)))
            {
                return EnrolmentVerdict.WrongCode;
            }

            var now = clock.GetUtcNow();
            if (now > code.ExpiresAt)
            {
                return EnrolmentVerdict.Expired;
            }

            if (code.UsedBy is not null)
            {
                return code.UsedBy == keyId ? EnrolmentVerdict.Enrolled : EnrolmentVerdict.Used;
            }

            if (code.Agent != agent)
            {
                return EnrolmentVerdict.WrongAgent;
            }

            if ((await session.QueryAsync("select state from agent_key where agent = $1 and key_id = $2", row => row.GetString(0), cancel, agent, keyId).ConfigureAwait(false)).Contains("revoked"))
            {
                return EnrolmentVerdict.RevokedKey;
            }

            await session.ExecuteAsync("delete from agent_key where agent = $1 and state <> 'revoked'", cancel, agent).ConfigureAwait(false);
            await session.ExecuteAsync("delete from agent_trust where agent = $1", cancel, agent).ConfigureAwait(false);
            await PinAsync(session, agent, keyId, identity, now, cancel).ConfigureAwait(false);
            await session.ExecuteAsync("update agent_enrolment set used_at = $2, used_by_key = $3 where id = $1", cancel, id, now, keyId).ConfigureAwait(false);
            await audit.AppendAsync(session, $"enrolment {id}", "agent.enrolled", agent, $"key {keyId}", cancel).ConfigureAwait(false);
            return EnrolmentVerdict.Enrolled;
        },
        cancel);

    /// <summary>The keys of an agent, newest first.</summary>
    public Task<IReadOnlyList<CatalogAgentKey>> ListAsync(AgentName agent, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<CatalogAgentKey>>(
        async session => await session.QueryAsync(
            "select key_id, identity, state, pinned_at, accept_until from agent_key where agent = $1 order by pinned_at desc, key_id", Read, cancel, agent.Value).ConfigureAwait(false),
        cancel);

    /// <summary>Pins an agent's next key; the one before is accepted until the overlap is over.</summary>
    /// <returns>False when the new key was revoked before; nothing changed.</returns>
    public Task<bool> PinNextAsync(AgentName agent, string keyId, string identity, TimeSpan overlap, string actor, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var states = await session.QueryAsync("select state from agent_key where agent = $1 and key_id = $2 for update", row => row.GetString(0), cancel, agent.Value, keyId).ConfigureAwait(false);
            if (states is [var state])
            {
                return state == "current";
            }

            var now = clock.GetUtcNow();
            await session.ExecuteAsync(
                "update agent_key set state = 'previous', accept_until = $2 where agent = $1 and state = 'current'", cancel, agent.Value, now + overlap).ConfigureAwait(false);
            await PinAsync(session, agent.Value, keyId, identity, now, cancel).ConfigureAwait(false);
            await audit.AppendAsync(session, actor, "agent.key-rotated", agent.Value, $"key {keyId}", cancel).ConfigureAwait(false);
            return true;
        },
        cancel);

    /// <summary>Revokes a key for ever, also one that only a file names.</summary>
    public Task<bool> RevokeAsync(AgentName agent, string keyId, string actor, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var changed = await session.ExecuteAsync(
                """
                insert into agent_key (agent, key_id, identity, state, pinned_at) values ($1, $2, '', 'revoked', $3)
                on conflict (agent, key_id) do update set state = 'revoked', accept_until = null where agent_key.state <> 'revoked'
                """,
                cancel, agent.Value, keyId, clock.GetUtcNow()).ConfigureAwait(false) == 1;
            if (changed)
            {
                await audit.AppendAsync(session, actor, "agent.key-revoked", agent.Value, $"key {keyId}", cancel).ConfigureAwait(false);
            }

            return changed;
        },
        cancel);

    /// <summary>Notes that an agent confirmed to trust a control plane key.</summary>
    public Task<bool> ConfirmTrustAsync(AgentName agent, string keyId, CancellationToken cancel) => database.WriteAsync(
        async session => await session.ExecuteAsync(
            "insert into agent_trust (agent, key_id, confirmed_at) values ($1, $2, $3) on conflict do nothing", cancel, agent.Value, keyId, clock.GetUtcNow()).ConfigureAwait(false) == 1,
        cancel);

    /// <summary>Whether the agent confirmed to trust that control plane key.</summary>
    public Task<bool> TrustsAsync(AgentName agent, string keyId, CancellationToken cancel) => database.ReadAsync(
        async session => (await session.QueryAsync("select 1 from agent_trust where agent = $1 and key_id = $2", _ => true, cancel, agent.Value, keyId).ConfigureAwait(false)).Count > 0,
        cancel);

    private static Task<int> PinAsync(CatalogSession session, string agent, string keyId, string identity, DateTimeOffset now, CancellationToken cancel) => session.ExecuteAsync(
        "insert into agent_key (agent, key_id, identity, state, pinned_at) values ($1, $2, $3, 'current', $4)", cancel, agent, keyId, identity, now);

    private static CatalogAgentKey Read(NpgsqlDataReader row) => new(
        row.Text("key_id"), row.Text("identity"), row.Text("state"), row.Instant("pinned_at"), row.InstantOrNull("accept_until"));
}
