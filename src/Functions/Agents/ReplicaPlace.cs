using Backup.Functions.Replication;
using Backup.Policy;

namespace Backup.Functions.Agents;

/// <summary>Where a replica lies: a blob container, or another node's storage. Plain data: it is stored in orchestration histories.</summary>
public sealed record ReplicaPlace
{
    private const string NodeScheme = "vault";

    /// <summary>The tier.</summary>
    public required string Tier { get; init; }

    /// <summary>The container's name; empty for another node's storage.</summary>
    public required string Container { get; init; }

    /// <summary>The access tier's name: Hot, Cool, Cold or Archive.</summary>
    public required string AccessTier { get; init; }

    /// <summary>Of another node's storage: the place's name in the configuration of the agent that copies; null for a container.</summary>
    public string? Node { get; init; }

    /// <summary>Of another node's storage: the agent that copies.</summary>
    public string? Copier { get; init; }

    /// <summary>Of another node's storage: what that agent calls the vault.</summary>
    public string? Source { get; init; }

    /// <summary>The tier that the storage itself copies from; null when an agent sends.</summary>
    public string? CopyFrom { get; init; }

    /// <summary>Where a tier of the policy holds the copy of an agent's vault.</summary>
    public static ReplicaPlace Of(Tier tier, AgentName agent, VaultName vault)
    {
        ArgumentNullException.ThrowIfNull(tier);
        var place = new ReplicaPlace { Tier = tier.Name.Value, Container = "", AccessTier = tier.AccessTier.ToString() };
        return tier.Node is { } node
            ? place with { Node = node.Place, Copier = node.CopierOf(agent).Value, Source = node.SourceOf(agent, vault) }
            : place with { Container = tier.ContainerOf(agent, vault), CopyFrom = tier.CopyFrom?.Value };
    }

    /// <summary>A replica that is at an address the catalog has; null when the tier has become another kind of place since.</summary>
    public static ReplicaPlace? At(Tier tier, AgentName agent, VaultName vault, Uri address)
    {
        ArgumentNullException.ThrowIfNull(address);
        var place = Of(tier, agent, vault);
        var name = ContainerOf(address);
        return (place.Node is not null) == IsNode(address)
            ? place.Node is null ? place with { Container = name } : place with { Node = name, Copier = address.Host }
            : null;
    }

    /// <summary>The container's name in its address; of another node's storage the place's.</summary>
    public static string ContainerOf(Uri address)
    {
        ArgumentNullException.ThrowIfNull(address);
        return address.Segments[^1].Trim('/');
    }

    /// <summary>Whether an address is another node's storage.</summary>
    public static bool IsNode(Uri address)
    {
        ArgumentNullException.ThrowIfNull(address);
        return address.Scheme == NodeScheme;
    }

    /// <summary>Its address, without credentials: the container's, or <c>vault://agent/place</c>.</summary>
    /// <exception cref="ControlPlaneException">The tier has no usable settings.</exception>
    public Uri AddressIn(IOffsiteStore offsite)
    {
        ArgumentNullException.ThrowIfNull(offsite);
        return Node is null ? offsite.AddressOf(new TierName(Tier), Container) : new Uri($"{NodeScheme}://{Copier}/{Node}");
    }
}
