using Backup.AgentApi;
using Backup.Catalog.Agents;
using Backup.Functions.Startup;
using Backup.Policy;

namespace Backup.Functions.Keys;

/// <summary>The control plane's own keys: the one in use and, during a rotation, the next.</summary>
/// <param name="Current">Signs orders to agents that have not confirmed the next key.</param>
/// <param name="Next">Signs orders to agents that have; null outside a rotation.</param>
public sealed record ControlPlaneKeys(PrivateIdentity Current, PrivateIdentity? Next)
{
    /// <summary>Reads the files that the settings name.</summary>
    /// <exception cref="AgentApiException">A file cannot be used, or the two have different names.</exception>
    public static ControlPlaneKeys Load(ControlPlaneSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var current = PrivateIdentity.Load(settings.IdentityFile);
        var next = settings.NextIdentityFile is { Length: > 0 } file ? PrivateIdentity.Load(file) : null;
        return next is null || next.Name == current.Name
            ? new ControlPlaneKeys(current, next)
            : throw new AgentApiException(AgentApiFault.IdentityUnusable, "The next identity has another name than the present one.", $"Make it with 'backupctl identity new --name {current.Name}'.");
    }

    /// <summary>All of them, the one in use first.</summary>
    public IReadOnlyList<PublicIdentity> Public() => Next is null ? [Current.Public] : [Current.Public, Next.Public];
}

/// <summary>Which key an order goes to, and with which it is signed.</summary>
/// <param name="settings">Know the folder of keys that were pinned by hand.</param>
/// <param name="store">Knows the keys of enrolled agents.</param>
/// <param name="own">The control plane's.</param>
/// <param name="clock">Ends overlaps.</param>
public sealed class KeyChoice(ControlPlaneSettings settings, AgentKeyStore store, ControlPlaneKeys own, TimeProvider clock)
{
    /// <summary>The agent's key to encrypt to. A key pinned by enrolment counts before a file.</summary>
    /// <exception cref="AgentApiException">The agent has no key, or none that was not revoked.</exception>
    public async Task<PublicIdentity> AgentAsync(AgentName agent, CancellationToken cancel)
    {
        var keys = await store.ListAsync(agent, cancel).ConfigureAwait(false);
        if (keys.FirstOrDefault(k => k.State == "current") is { } current)
        {
            return PublicIdentity.Parse(current.Identity);
        }

        if (PinnedByHand(agent) is { } pinned && keys.All(k => k.KeyId != pinned.KeyId.ToString()))
        {
            return pinned;
        }

        throw new AgentApiException(
            keys.Count == 0 ? AgentApiFault.NotEnrolled : AgentApiFault.IdentityUnusable,
            keys.Count == 0 ? $"Agent {agent} is not enrolled." : $"Agent {agent} has no key that is not revoked.",
            Invite(agent));
    }

    /// <summary>How an administrator lets the agent enrol.</summary>
    public static string Invite(AgentName agent) => $"'backupctl agent invite {agent}' gives a one-time code with which it enrols.";

    /// <summary>The identity in the folder of those pinned by hand; null for none. Read each time: a replaced one counts at once, and the file is small.</summary>
    /// <exception cref="AgentApiException">The file is no identity.</exception>
    public PublicIdentity? PinnedByHand(AgentName agent)
    {
        var file = settings.AgentsFolder is { Length: > 0 } folder ? Path.Combine(folder, $"{agent}.pub") : null;
        return file is not null && File.Exists(file) ? PublicIdentity.Load(file) : null;
    }

    /// <summary>Whether an answer with that key still counts: it may have been revoked since the order was sent.</summary>
    public async Task<bool> StillCountsAsync(AgentName agent, KeyId key, CancellationToken cancel) =>
        (await store.ListAsync(agent, cancel).ConfigureAwait(false)).FirstOrDefault(k => k.KeyId == key.ToString()) is not { } known
        || known.State == "current" || (known.State == "previous" && clock.GetUtcNow() <= known.AcceptUntil);

    /// <summary>The sealer that this agent trusts.</summary>
    public async Task<OrderSealer> SealerAsync(AgentName agent, CancellationToken cancel) =>
        new(own.Next is { } next && await store.TrustsAsync(agent, next.Public.KeyId.ToString(), cancel).ConfigureAwait(false) ? next : own.Current, clock);
}
