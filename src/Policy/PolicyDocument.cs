using Backup.Policy.Archive;
using Backup.Policy.Immutability;

namespace Backup.Policy;

/// <summary>A checked policy: every reference resolves, every name is unique, every class is present.</summary>
/// <param name="Sites">In file order.</param>
/// <param name="Agents">In file order.</param>
/// <param name="ServiceClasses">The defaults, as overridden, then those the file adds.</param>
/// <param name="DataClasses">The defaults, as overridden, then those the file adds.</param>
/// <param name="Tiers">In file order.</param>
/// <param name="Assets">In file order.</param>
public sealed record PolicyDocument(
    IReadOnlyList<Site> Sites,
    IReadOnlyList<Agent> Agents,
    IReadOnlyList<ServiceClass> ServiceClasses,
    IReadOnlyList<DataClass> DataClasses,
    IReadOnlyList<Tier> Tiers,
    IReadOnlyList<Asset> Assets)
{
    /// <summary>Assets that are backed up together, in file order. No asset is in two of them.</summary>
    public IReadOnlyList<AssetGroup> Groups { get; init; } = [];

    /// <summary>When retention needs persons.</summary>
    public RetentionGuards Retention { get; init; } = RetentionGuards.Standard;

    /// <summary>What restores from archive tiers may cost.</summary>
    public ArchiveRules Archive { get; init; } = ArchiveRules.Standard;

    /// <summary>Within so many days every object of every replica is read and hashed at least once.</summary>
    public int VerifyWithinDays { get; init; } = PolicyDefaults.VerifyWithinDays;

    /// <summary>What is kept of an asset of this policy: whatever its service class or its data class wants.</summary>
    public RetentionRule RetentionOf(Asset asset)
    {
        var rule = RetentionRule.Both(ServiceClassOf(asset).Retention, DataClasses.First(c => c.Name == asset.DataClass).Retention);
        return asset.Kind is SourceKind.Postgres ? rule : rule with { ContinuousFor = TimeSpan.Zero };
    }

    /// <summary>The asset of that name, or null.</summary>
    public Asset? FindAsset(AssetName name) => Assets.FirstOrDefault(asset => asset.Name == name);

    /// <summary>The group that the asset is backed up with, or null: one with at least two enabled members.</summary>
    public AssetGroup? GroupOf(AssetName asset) => Groups.FirstOrDefault(group => group.Assets.Contains(asset) && group.Assets.Count(member => FindAsset(member) is { Enabled: true }) > 1);

    /// <summary>The agent of that name, or null.</summary>
    public Agent? FindAgent(AgentName name) => Agents.FirstOrDefault(agent => agent.Name == name);

    /// <summary>The tier of that name, or null.</summary>
    public Tier? FindTier(TierName name) => Tiers.FirstOrDefault(tier => tier.Name == name);

    /// <summary>The agent of an asset of this policy.</summary>
    /// <exception cref="ArgumentException">The asset comes from another policy.</exception>
    public Agent AgentOf(Asset asset) =>
        FindAgent(asset.Agent) ?? throw new ArgumentException($"Agent {asset.Agent} of asset {asset.Name} is not in this policy", nameof(asset));

    /// <summary>The site of an asset of this policy.</summary>
    /// <exception cref="ArgumentException">The asset comes from another policy.</exception>
    public Site SiteOf(Asset asset) =>
        Sites.FirstOrDefault(site => site.Name == AgentOf(asset).Site)
        ?? throw new ArgumentException($"The site of asset {asset.Name} is not in this policy", nameof(asset));

    /// <summary>The objectives of an asset of this policy.</summary>
    /// <exception cref="ArgumentException">The asset comes from another policy.</exception>
    public ServiceClass ServiceClassOf(Asset asset) =>
        ServiceClasses.FirstOrDefault(c => c.Name == asset.ServiceClass)
        ?? throw new ArgumentException($"Service class {asset.ServiceClass} is not in this policy", nameof(asset));

    /// <summary>
    /// In how many places each recovery point of an asset must be, its vault included: as many as its service class or its data class wants, whichever
    /// is more; 1 when neither says.
    /// </summary>
    public int CopiesOf(Asset asset) =>
        Math.Max(ServiceClassOf(asset).Copies ?? 1, DataClasses.First(c => c.Name == asset.DataClass).Copies ?? 1);

    /// <summary>Whether a tier survives the loss of an asset's site: blob storage does, a node does at another site.</summary>
    public bool IsOffsite(Tier tier, Asset asset)
    {
        ArgumentNullException.ThrowIfNull(tier);
        ArgumentNullException.ThrowIfNull(asset);
        return tier.Node is not { } node || FindAgent(node.CopierOf(asset.Agent))?.Site != AgentOf(asset).Site;
    }

    /// <summary>The tiers an asset's recovery points are copied to: its own list, or else its data class's.</summary>
    public IReadOnlyList<Tier> TiersOf(Asset asset)
    {
        var names = asset.ReplicateTo ?? DataClasses.First(c => c.Name == asset.DataClass).ReplicateTo;
        return [.. Tiers.Where(tier => names.Contains(tier.Name))];
    }
}

/// <summary>A place with agents.</summary>
/// <param name="Name">Unique.</param>
/// <param name="TimeZone">The zone in which backup windows of this site's assets are read; UTC unless given.</param>
public sealed record Site(SiteName Name, TimeZoneInfo TimeZone)
{
    /// <summary>Backups that all agents of the site run at once; null means that only the agents' own limits count.</summary>
    public int? Concurrency { get; init; }

    /// <summary>Local days on which scheduled backups of classes that heed them do not start.</summary>
    public BlackoutDays Blackout { get; init; } = BlackoutDays.None;

    /// <summary>What the site's line gives to backups, by time of day.</summary>
    public BandwidthPlan Bandwidth { get; init; } = BandwidthPlan.Unlimited;
}

/// <summary>An on-prem daemon.</summary>
/// <param name="Name">Unique; the same as in the agent's own configuration.</param>
/// <param name="Site">Where it runs.</param>
/// <param name="RelayPath">Its hybrid connection; <c>agents/{name}</c> unless given.</param>
/// <param name="Concurrency">Backups it runs at once, 1 to <see cref="PolicyLimits.ConcurrencyMax"/>.</param>
public sealed record Agent(AgentName Name, SiteName Site, string RelayPath, int Concurrency)
{
    /// <summary>The agent that prunes this one's vaults, with a key and rights that an agent which only backs up does not have; itself unless given.</summary>
    public AgentName Caretaker { get; init; } = Name;
}

/// <summary>Objectives that assets share.</summary>
/// <param name="Name">Unique.</param>
/// <param name="Rto">Recovery time objective: a restore takes no longer.</param>
/// <param name="Rpo">Recovery point objective: the newest recovery point is never older.</param>
public sealed record ServiceClass(ServiceClassName Name, TimeSpan Rto, TimeSpan Rpo)
{
    /// <summary>Who is served first when not everything can be in time: 1 before 9.</summary>
    public int Priority { get; init; } = PolicyDefaults.Priority;

    /// <summary>True: its assets are backed up on blackout days too.</summary>
    public bool IgnoresBlackout { get; init; }

    /// <summary>How long its assets' recovery points are kept.</summary>
    public RetentionRule Retention { get; init; } = PolicyDefaults.Retention;

    /// <summary>Places that must hold each recovery point, the vault included; null when the class does not say.</summary>
    public int? Copies { get; init; }
}

/// <summary>
/// Assets that belong together, such as a database and the files it refers to: they are held, backed up and let go as one, or not at
/// all, so that their points together are one recovery point of the whole.
/// </summary>
/// <param name="Name">Unique.</param>
/// <param name="Assets">At least two, all of one site; hooks before a backup run in this order, hooks after it in the opposite one.</param>
public sealed record AssetGroup(GroupName Name, IReadOnlyList<AssetName> Assets)
{
    /// <summary>After so long the agents let the members' applications go whatever their backups do; then there is no group point.</summary>
    public TimeSpan HoldLimit { get; init; } = PolicyDefaults.HoldLimit;
}

/// <summary>What kind of data an asset holds; it decides where copies go.</summary>
/// <param name="Name">Unique.</param>
/// <param name="ReplicateTo">The tiers of assets that do not name their own.</param>
public sealed record DataClass(DataClassName Name, IReadOnlyList<TierName> ReplicateTo)
{
    /// <summary>How long its assets' recovery points are kept, besides what their service class wants.</summary>
    public RetentionRule Retention { get; init; } = PolicyDefaults.Retention;

    /// <summary>Places that must hold each recovery point, the vault included; null when the class does not say.</summary>
    public int? Copies { get; init; }
}

/// <summary>The storage price class of an off-site container.</summary>
public enum AccessTier
{
    /// <summary>Dear to keep, cheap to read.</summary>
    Hot,

    /// <summary>At least 30 days are billed.</summary>
    Cool,

    /// <summary>At least 90 days are billed.</summary>
    Cold,

    /// <summary>At least 180 days are billed; reading needs hours of rehydration.</summary>
    Archive,
}

/// <summary>A place for replicas: a blob container, or the storage of another node on-prem.</summary>
/// <param name="Name">Unique.</param>
/// <param name="ContainerPattern">The blob container, where <c>{agent}</c> and <c>{vault}</c> stand for the asset's; not used by a tier with <see cref="Node"/>.</param>
/// <param name="AccessTier">The price class data packs are written in; everything else stays hot.</param>
public sealed record Tier(TierName Name, string ContainerPattern, AccessTier AccessTier)
{
    /// <summary>How much may lie there, for the forecast of the day it is full; null for no limit.</summary>
    public long? BytesMax { get; init; }

    /// <summary>How its objects are locked; null: not at all.</summary>
    public LockRule? Immutable { get; init; }

    /// <summary>What it costs; null when the policy does not say.</summary>
    public TierPrices? Prices { get; init; }

    /// <summary>Set for a tier that is another node's storage on-prem; null for blob storage.</summary>
    public NodePlace? Node { get; init; }

    /// <summary>The blob tier whose replica this one is copied from inside the cloud; null when the agent sends it.</summary>
    public TierName? CopyFrom { get; init; }

    /// <summary>Where the storage account is, for people; null when the policy does not say.</summary>
    public string? Region { get; init; }

    /// <summary>The container that holds the replica of the asset's vault.</summary>
    public string ContainerOf(Asset asset) => ContainerOf(asset.Agent, asset.Vault);

    /// <summary>The container that holds the replica of an agent's vault.</summary>
    public string ContainerOf(AgentName agent, VaultName vault) => Fill(ContainerPattern, agent, vault);

    internal static string Fill(string pattern, AgentName agent, VaultName vault) => pattern
        .Replace("{agent}", agent.Value, StringComparison.Ordinal)
        .Replace("{vault}", vault.Value, StringComparison.Ordinal);
}

/// <summary>Another node's storage, which one agent reaches and copies vaults to, without keys.</summary>
/// <param name="Place">The name under <c>copies</c> in the configuration of the agent that copies.</param>
/// <param name="Agent">The agent that copies; null for each asset's own.</param>
/// <param name="SourcePattern">The vault's name in that agent's configuration, where <c>{agent}</c> and <c>{vault}</c> stand for the asset's.</param>
public sealed record NodePlace(string Place, AgentName? Agent, string SourcePattern)
{
    /// <summary>What stands for the asset's own vault.</summary>
    public const string SameVault = "{vault}";

    /// <summary>How fast to copy there, in the time zone of the copying agent's site.</summary>
    public BandwidthPlan Bandwidth { get; init; } = BandwidthPlan.Unlimited;

    /// <summary>Who copies a vault of that agent.</summary>
    public AgentName CopierOf(AgentName agent) => Agent ?? agent;

    /// <summary>What the copying agent calls a vault of that agent.</summary>
    public string SourceOf(AgentName agent, VaultName vault) => Tier.Fill(SourcePattern, agent, vault);
}

/// <summary>The kind of source that reads an asset.</summary>
public enum SourceKind
{
    /// <summary>A file tree.</summary>
    Files,

    /// <summary>A PostgreSQL cluster, read physically.</summary>
    Postgres,
}

/// <summary>A thing to protect.</summary>
/// <param name="Name">Unique.</param>
/// <param name="Kind">Which source reads it.</param>
/// <param name="Agent">The agent next to it.</param>
/// <param name="Vault">The vault it is stored in, by its name in that agent's configuration.</param>
/// <param name="ServiceClass">Its objectives.</param>
/// <param name="DataClass">Its kind of data.</param>
/// <param name="Connection">Postgres only: the name of a connection in the agent's configuration, never a secret.</param>
/// <param name="Paths">Files only: absolute paths on the agent's machine, at least one.</param>
/// <param name="Excludes">Files only: gitignore-like patterns.</param>
/// <param name="OneFileSystem">Files only: do not cross mount points.</param>
/// <param name="ReplicateTo">Its own tiers; null takes the data class's, empty means none.</param>
/// <param name="Window">When scheduled backups may start; null means at any time.</param>
/// <param name="Enabled">False: never scheduled, still restorable and still backed up on request.</param>
public sealed record Asset(
    AssetName Name,
    SourceKind Kind,
    AgentName Agent,
    VaultName Vault,
    ServiceClassName ServiceClass,
    DataClassName DataClass,
    string? Connection,
    IReadOnlyList<string> Paths,
    IReadOnlyList<string> Excludes,
    bool OneFileSystem,
    IReadOnlyList<TierName>? ReplicateTo,
    BackupWindow? Window,
    bool Enabled)
{
    /// <summary>Postgres only: what is recorded when it is backed up, and how restores are proven by it.</summary>
    public ProofRule Proof { get; init; } = ProofRule.Standard;

    /// <summary>Postgres only: databases are also dumped logically with each backup; null: not.</summary>
    public DumpRule? Dump { get; init; }

    /// <summary>Databases: the server takes its time for the checkpoint that begins a backup, instead of writing everything at once.</summary>
    public bool SpreadCheckpoint { get; init; }

    /// <summary>Databases: backups take the processors even while the server's clients are at work.</summary>
    public bool FullSpeed { get; init; }

    /// <summary>What its agent does before and after each backup: names in that agent's own configuration.</summary>
    public HookRule Hooks { get; init; } = HookRule.None;

    /// <summary>True: none of its recovery points is deleted as long as this stands in the policy.</summary>
    public bool LegalHold { get; init; }
}
