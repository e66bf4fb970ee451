using Backup.AgentApi;
using Backup.Functions.Replication;
using Backup.Policy;
using Backup.Policy.Bandwidth;
using AccessTier = Backup.AgentApi.AccessTier;
using SourceKind = Backup.AgentApi.SourceKind;

namespace Backup.Functions.Agents;

/// <summary>
/// Turns a task into an order. Credentials are made here, inside the activity that sends the order, and go nowhere but into the
/// sealed envelope: not into a history, a log or the catalog.
/// </summary>
/// <param name="policy">Knows what sites' lines give.</param>
/// <param name="offsite">Grants short-lived access to containers.</param>
/// <param name="clock">Limits are by time of day.</param>
public sealed class OrderWriter(PolicyDocument policy, IOffsiteStore offsite, TimeProvider clock)
{
    /// <summary>The order of a task.</summary>
    /// <param name="agent">Who is to do it: the site's line is shared among its agents.</param>
    /// <param name="task">What to do.</param>
    /// <param name="classPriority">The priority of the asset's service class; null for what fits the operation.</param>
    /// <param name="cancel">Stops waiting for off-site storage.</param>
    /// <exception cref="ControlPlaneException">Off-site storage could not grant access.</exception>
    public async Task<JobOrder> WriteAsync(AgentName agent, AgentTask task, int? classPriority, CancellationToken cancel)
    {
        JobOrder order = task switch
        {
            { Backup: { } backup } => Backup(backup),
            { Replicate: { } replicate } => await ReplicateAsync(agent, replicate, cancel).ConfigureAwait(false),
            { Restore: { } restore } => await RestoreAsync(restore, cancel).ConfigureAwait(false),
            { Verify: { } verify } => await VerifyAsync(verify, cancel).ConfigureAwait(false),
            { Tidy: { } tidy } => tidy,
            { Prune: { } prune } => new PruneOrder { Vault = prune.Vault, Drops = prune.Drops, AllowsLast = prune.AllowsLast, DryRun = prune.DryRun, OrderedAt = prune.OrderedAt },
            { Hold: { } hold } => new HoldOrder { RunId = hold.Run, Group = hold.Group, Hooks = hold.Hooks, SecondsMax = hold.SecondsMax },
            { Release: { } held } => new ReleaseOrder { Hold = OrderId.Parse(held) },
            { Survey: { } survey } => await SurveyAsync(survey, cancel).ConfigureAwait(false),
            _ => throw new ArgumentException("A task says one thing to do", nameof(task)),
        };
        return order with { Priority = ClassUrgency.Of(order.Operation, classPriority) };
    }

    /// <summary>The agent's part of its site's line: those agents share it whose assets are copied off-site.</summary>
    private IReadOnlyList<BandwidthStep> StepsOf(AgentName agent)
    {
        if (policy.FindAgent(agent) is not { } known || policy.Sites.FirstOrDefault(s => s.Name == known.Site) is not { } site)
        {
            return [];
        }

        var sharers = policy.Assets.Where(a => policy.SiteOf(a).Name == site.Name && policy.TiersOf(a).Any(t => t is { Node: null, CopyFrom: null })).Select(a => a.Agent).Distinct().Count();
        return BandwidthSchedule.Of(site, Math.Max(1, sharers), clock.GetUtcNow());
    }

    /// <summary>What a tier on another node allows. Only the agents that copy there share it, each to its own disk or share.</summary>
    private IReadOnlyList<BandwidthStep> StepsTo(string tier, AgentName copier)
    {
        var zone = policy.Sites.FirstOrDefault(s => s.Name == policy.FindAgent(copier)?.Site)?.TimeZone ?? TimeZoneInfo.Utc;
        return policy.FindTier(new TierName(tier))?.Node is { } node ? BandwidthSchedule.Of(node.Bandwidth, zone, 1, clock.GetUtcNow()) : [];
    }

    private static IReadOnlyList<RateStep> Rates(IReadOnlyList<BandwidthStep> steps) => [.. steps.Select(s => new RateStep { From = s.From, BytesPerSecond = s.BytesPerSecond })];

    private static BackupOrder Backup(BackupTask task) => new()
    {
        RunId = task.Run,
        Asset = task.Asset,
        SourceKind = Enum.Parse<SourceKind>(task.Kind, ignoreCase: true),
        Vault = task.Vault,
        Tags = task.Tags,
        Hooks = task.Hooks,
        Files = task.Connection is null ? new FilesSettings { Paths = task.Paths, Excludes = task.Excludes, OneFileSystem = task.OneFileSystem } : null,
        Postgres = task.Connection is null ? null : new PostgresSettings { Connection = task.Connection, RecordMebibytes = task.RecordMebibytes, SpreadCheckpoint = task.SpreadCheckpoint, FullSpeed = task.FullSpeed, Dump = task.Dump },
    };

    private async Task<ReplicateOrder> ReplicateAsync(AgentName agent, ReplicateTask task, CancellationToken cancel)
    {
        if (task.Place.Node is { } place)
        {
            return new ReplicateOrder { Vault = task.Vault, SnapshotId = task.SnapshotId, Copy = place, Bandwidth = Rates(StepsTo(task.Place.Tier, agent)) };
        }

        var grant = await offsite.GrantAsync(new TierName(task.Place.Tier), task.Place.Container, ReplicaRights.Copy, cancel).ConfigureAwait(false);
        return new ReplicateOrder
        {
            Vault = task.Vault,
            SnapshotId = task.SnapshotId,
            Bandwidth = Rates(StepsOf(agent)),
            Replica = new ReplicaTarget
            {
                Name = task.Place.Tier,
                ContainerUri = grant.Container,
                Sas = new SecretText(grant.Sas),
                AccessTier = Enum.Parse<AccessTier>(task.Place.AccessTier),
            },
        };
    }

    private async Task<RestoreOrder> RestoreAsync(RestoreTask task, CancellationToken cancel)
    {
        var from = task.From is { } place ? await OriginAsync(place, task.VaultId, task.Vault, cancel).ConfigureAwait(false) : RestoreOrigin.FromVault(task.Vault);

        return new RestoreOrder
        {
            RestoreId = task.Restore,
            Asset = task.Asset,
            SourceKind = Enum.Parse<SourceKind>(task.Kind, ignoreCase: true),
            SnapshotId = task.SnapshotId,
            From = from,
            Target = task.Target,
            Include = task.Include,
            Overwrite = task.Overwrite,
            Recovery = task.Recovery,
            Proof = task.Proof,
            Discard = task.Discard,
            Archive = task.Archive is null ? null : Enum.Parse<ArchiveReading>(task.Archive),
        };
    }

    private async Task<SurveyOrder> SurveyAsync(SurveyTask task, CancellationToken cancel) =>
        new() { SnapshotId = task.SnapshotId, Include = task.Include, From = await OriginAsync(task.From, task.VaultId, task.Vault, cancel).ConfigureAwait(false) };

    private async Task<VerifyOrder> VerifyAsync(VerifyTask task, CancellationToken cancel)
    {
        var from = new List<RestoreOrigin>();
        if (task.VaultId is { } vaultId)
        {
            foreach (var place in task.RepairFrom.Take(VerifyOrder.RepairFromMax))
            {
                from.Add(await OriginAsync(place, vaultId, task.Vault, cancel).ConfigureAwait(false));
            }
        }

        return new VerifyOrder { Vault = task.Vault, Copy = task.Copy, SamplePercent = task.SamplePercent, RepairFrom = from };
    }

    /// <summary>A replica to read from. Of a copy on another node the agent finds the key by the vault's id: there the vault may have another name.</summary>
    private async Task<RestoreOrigin> OriginAsync(ReplicaPlace place, string vaultId, string vault, CancellationToken cancel)
    {
        if (place.Node is { } node)
        {
            return RestoreOrigin.FromCopy(node, vaultId);
        }

        var grant = await offsite.GrantAsync(new TierName(place.Tier), place.Container, ReplicaRights.Read, cancel).ConfigureAwait(false);
        return RestoreOrigin.FromReplica(grant.Container, new SecretText(grant.Sas), vaultId, vault);
    }
}
