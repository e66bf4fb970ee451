using Backup.AgentApi;
using Backup.Catalog;
using Backup.Catalog.Assets;
using Backup.Catalog.Groups;
using Backup.Catalog.RecoveryPoints;
using Backup.Functions.Agents;
using Backup.Functions.Groups;
using Backup.Policy;
using Microsoft.Azure.Functions.Worker;
using SourceKind = Backup.Policy.SourceKind;

namespace Backup.Functions.Rebuilding;

/// <summary>A page of a vault's snapshots to adopt.</summary>
public sealed record AdoptRequest(VaultPlace Vault, string? After, string RequestedBy);

/// <summary>What came of a page.</summary>
public sealed record AdoptedPage
{
    /// <summary>Recovery points that the catalog lacked.</summary>
    public int Adopted { get; init; }

    /// <summary>Recovery points that it had.</summary>
    public int Known { get; init; }

    /// <summary>Snapshots of runs that are still open.</summary>
    public int LeftToTheirRuns { get; init; }

    /// <summary>Group points whose last lacking member was adopted.</summary>
    public int GroupPoints { get; init; }

    /// <summary>Where the next page begins; null after the last.</summary>
    public string? Next { get; init; }

    /// <summary>Why the agent did not answer.</summary>
    public JobFailure? Failure { get; init; }

    /// <summary>Asking again later may help.</summary>
    public bool IsTransient { get; init; }
}

/// <summary>A complete listing to compare with.</summary>
public sealed record MissingRequest(VaultPlace Vault, DateTimeOffset ListedSince, string RequestedBy);

/// <summary>Asks an agent for a page of a vault's snapshots and takes them in.</summary>
/// <param name="vaults">Asks and takes in.</param>
public sealed class AdoptSnapshots(VaultListing vaults)
{
    /// <summary>Safe to repeat: a snapshot is adopted once.</summary>
    [Function(nameof(AdoptSnapshots))]
    public Task<AdoptedPage> RunAsync([ActivityTrigger] AdoptRequest request, CancellationToken cancel) => vaults.AdoptPageAsync(request, _ => true, cancel);
}

/// <summary>What vaults say that they hold, taken into the catalog.</summary>
/// <param name="link">The way to the agents.</param>
/// <param name="assets">Where assets that only a vault knows are noted.</param>
/// <param name="points">Where recovery points are recorded.</param>
/// <param name="groups">Where group points are recorded.</param>
public sealed class VaultListing(IAgentLink link, AssetStore assets, RecoveryPointStore points, GroupPointStore groups)
{
    /// <summary>The tag of snapshots that an agent made without an order, and why: base backups that its log needs.</summary>
    private const string ReasonTag = "reason";

    /// <summary>
    /// Takes in how far the log reaches behind each base backup of a vault, and base backups that the agent made by itself, so that they can be given up like any other.
    /// Snapshots that people made by hand stay theirs.
    /// </summary>
    /// <returns>Null when the vault was listed to its end; otherwise why not.</returns>
    public async Task<JobFailure?> RefreshAsync(VaultPlace vault, string actor, CancellationToken cancel)
    {
        string? after = null;
        do
        {
            var page = await AdoptPageAsync(new AdoptRequest(vault, after, actor), found => found.SourceKind is AgentApi.SourceKind.Postgres && (found.RunId is not null || found.Tags.ContainsKey(ReasonTag)), cancel).ConfigureAwait(false);
            if (page.Failure is not null)
            {
                return page.Failure;
            }

            after = page.Next;
        }
        while (after is not null);
        return null;
    }

    /// <summary>Takes in a page of a vault's snapshots.</summary>
    internal async Task<AdoptedPage> AdoptPageAsync(AdoptRequest request, Func<SnapshotSummary, bool> isWanted, CancellationToken cancel)
    {
        var (agent, vault) = (new AgentName(request.Vault.Agent), new VaultName(request.Vault.Vault));
        var reply = await link.SendAsync(agent, OrderId.NewRandom(), new SnapshotsQuery { Vault = vault.Value, After = request.After }, cancel).ConfigureAwait(false);
        if (reply.Answer is not { } page)
        {
            return new AdoptedPage { Failure = reply.Failure, IsTransient = reply.IsTransient };
        }

        var counts = new Dictionary<Adoption, int>();
        var groupPoints = 0;
        foreach (var snapshot in page.Snapshots.Where(isWanted))
        {
            await assets.NoteAsync(new AssetName(snapshot.Asset), Enum.Parse<SourceKind>(snapshot.SourceKind.ToString()), agent, vault, cancel).ConfigureAwait(false);
            var found = new FoundSnapshot(new AssetName(snapshot.Asset), snapshot.RunId is { } run ? new RunId(run) : null, agent, vault, Facts(snapshot));
            var adoption = await points.AdoptAsync(found, request.RequestedBy, cancel).ConfigureAwait(false);
            counts[adoption] = counts.GetValueOrDefault(adoption) + 1;
            if (adoption is not Adoption.LeftToItsRun && GroupTags.Find(snapshot.Tags, request.RequestedBy) is { } whole && await groups.AdoptAsync(whole, cancel).ConfigureAwait(false))
            {
                groupPoints++;
            }
        }

        return new AdoptedPage
        {
            Adopted = counts.GetValueOrDefault(Adoption.Adopted),
            Known = counts.GetValueOrDefault(Adoption.Known),
            LeftToTheirRuns = counts.GetValueOrDefault(Adoption.LeftToItsRun),
            GroupPoints = groupPoints,
            Next = page.Next,
        };
    }

    private static SnapshotFacts Facts(SnapshotSummary s) => new(
        s.VaultId,
        s.SnapshotId,
        Enum.Parse<SourceKind>(s.SourceKind.ToString()),
        s.EndedAt,
        s.StartedAt,
        s.BytesRead,
        s.BytesNew,
        s.BytesStored,
        s.FilesTotal,
        s.FilesUnreadableTotal,
        [],
        s.ConsistencyPoint is { } p ? new LogPosition(p.Timeline, p.StartLsn, p.StopLsn, p.FirstWal, p.LastWal, p.RestorePoint, s.DumpSnapshotId) : null)
    {
        LogUntil = s.LogUntil,
    };
}

/// <summary>Marks the recovery points that a complete listing of their vault did not show.</summary>
/// <param name="points">Where recovery points are recorded.</param>
public sealed class MarkMissingPoints(RecoveryPointStore points)
{
    /// <summary>Safe to repeat: a marked point is not marked again.</summary>
    /// <returns>How many were marked by this call.</returns>
    [Function(nameof(MarkMissingPoints))]
    public Task<int> RunAsync([ActivityTrigger] MissingRequest request, CancellationToken cancel) => points.MarkMissingAsync(
        new AgentName(request.Vault.Agent), new VaultName(request.Vault.Vault), request.ListedSince, request.RequestedBy, cancel);
}
