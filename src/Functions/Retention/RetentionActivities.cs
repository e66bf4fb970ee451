using Backup.Catalog;
using Backup.Catalog.Alerts;
using Backup.Catalog.RecoveryPoints;
using Backup.Catalog.Retention;
using Backup.Functions.Agents;
using Backup.Functions.Replication;
using Backup.Policy;
using Microsoft.Azure.Functions.Worker;

namespace Backup.Functions.Retention;

/// <summary>Finds what retention has to do in a vault. Changes nothing.</summary>
/// <param name="policy">Which assets are in the vault, and where copies are.</param>
/// <param name="plans">Which plans may be executed.</param>
/// <param name="points">What there is.</param>
/// <param name="offsite">Knows containers.</param>
public sealed class PrepareRetention(PolicyDocument policy, RetentionStore plans, RecoveryPointStore points, IOffsiteStore offsite)
{
    /// <summary>Safe to repeat.</summary>
    [Function(nameof(PrepareRetention))]
    public async Task<RetentionWork> RunAsync([ActivityTrigger] RetentionRequest request, CancellationToken cancel)
    {
        var assets = policy.Assets.Where(a => a.Agent.Value == request.Agent && a.Vault.Value == request.Vault).ToArray();
        var names = assets.Select(a => a.Name).ToHashSet();
        var executable = (await plans.ListExecutableAsync(cancel).ConfigureAwait(false)).Where(p => names.Contains(p.Asset)).ToArray();
        var drops = new List<string>();
        foreach (var plan in executable)
        {
            drops.AddRange((await plans.PointsAsync(plan.Id, int.MaxValue, cancel).ConfigureAwait(false)).Where(p => p.RemovedAt is null && p.Spared is null).Select(p => p.SnapshotId));
        }

        return new RetentionWork(
            [.. executable.Select(p => p.Id)], [.. drops], executable.Any(p => p.ForcedReason is not null), await PlacesAsync(assets, cancel).ConfigureAwait(false));
    }

    /// <summary>Each container that holds a copy of the vault once, whichever assets ask for it: a copy is always of the whole vault.</summary>
    private async Task<RetentionPlace[]> PlacesAsync(Asset[] assets, CancellationToken cancel)
    {
        var places = new Dictionary<Uri, (RetentionPlace Place, DateTimeOffset PublishedAt)>();
        foreach (var asset in assets)
        {
            if (await points.FindNewestAsync(asset.Name, null, cancel).ConfigureAwait(false) is not { } newest)
            {
                continue;
            }

            foreach (var tier in policy.TiersOf(asset))
            {
                var place = ReplicaPlace.Of(tier, asset.Agent, asset.Vault);
                var address = place.AddressIn(offsite);
                if (!places.TryGetValue(address, out var known) || known.PublishedAt < newest.PublishedAt)
                {
                    places[address] = (new RetentionPlace(place, newest.Snapshot.VaultId, newest.Snapshot.SnapshotId), newest.PublishedAt);
                }
            }
        }

        // A tier that is copied from another comes after it: its fresh manifest is that one's.
        return [.. places.Values.Select(p => p.Place).OrderBy(p => p.Place.CopyFrom is not null)];
    }
}

/// <summary>Gives points up in the catalog: those of the plans that a decision of this moment still deletes.</summary>
/// <param name="policy">The assets.</param>
/// <param name="decisions">Decides anew.</param>
/// <param name="plans">Where it is recorded.</param>
public sealed class GiveUpPoints(PolicyDocument policy, RetentionDecisions decisions, RetentionStore plans)
{
    /// <summary>Safe to repeat.</summary>
    /// <returns>The snapshots that go, oldest first.</returns>
    [Function(nameof(GiveUpPoints))]
    public async Task<string[]> RunAsync([ActivityTrigger] GiveUpRequest request, CancellationToken cancel)
    {
        var drops = new List<string>();
        foreach (var id in request.Plans)
        {
            if (await plans.FindAsync(id, cancel).ConfigureAwait(false) is not { } plan || policy.FindAsset(plan.Asset) is not { } asset)
            {
                continue;
            }

            // What was right when it was approved may be wrong by now: a changed rule, a legal hold. Whatever the rule wants now stays.
            var (now, _) = await decisions.DecideAsync(asset, cancel).ConfigureAwait(false);
            try
            {
                var given = await plans.BeginAsync(id, [.. now.Deletions.Select(p => p.Id)], request.RequestedBy, cancel).ConfigureAwait(false);
                drops.AddRange(given.Where(p => p.RemovedAt is null).Select(p => p.SnapshotId));
            }
            catch (CatalogException e) when (e.Fault is CatalogFault.NotAllowed)
            {
                await plans.NoteAsync(id, e.Message.Split('\n')[0], cancel).ConfigureAwait(false);
            }
        }

        return [.. drops];
    }
}

/// <summary>Notes which of the plans' snapshots the vault holds no more.</summary>
/// <param name="plans">Where it is recorded.</param>
public sealed class MarkSnapshotsRemoved(RetentionStore plans)
{
    /// <summary>Safe to repeat.</summary>
    [Function(nameof(MarkSnapshotsRemoved))]
    public async Task<int> RunAsync([ActivityTrigger] DroppedSnapshots dropped, CancellationToken cancel)
    {
        var marked = 0;
        foreach (var id in dropped.Plans)
        {
            marked += await plans.MarkRemovedAsync(id, dropped.Snapshots, dropped.RequestedBy, cancel).ConfigureAwait(false);
        }

        return marked;
    }
}

/// <summary>Closes plans that are executed, and says of the others why they are not.</summary>
/// <param name="plans">Where it is recorded.</param>
/// <param name="alerts">Where people look.</param>
public sealed class CloseRetention(RetentionStore plans, AlertStore alerts)
{
    /// <summary>Safe to repeat.</summary>
    [Function(nameof(CloseRetention))]
    public async Task<string> RunAsync([ActivityTrigger] RetentionEnding ending, CancellationToken cancel)
    {
        var subject = $"{ending.Agent}/{ending.Vault}";
        foreach (var id in ending.Plans)
        {
            if (ending.Failure is { } failure)
            {
                await plans.NoteAsync(id, $"{ending.Note} {failure.Code}: {failure.Text}", cancel).ConfigureAwait(false);
            }
            else if (await plans.FindAsync(id, cancel).ConfigureAwait(false) is { State: PlanState.Running })
            {
                await plans.CloseAsync(id, ending.Note, "orchestration", cancel).ConfigureAwait(false);
            }
        }

        if (ending.Failure is { } why)
        {
            await alerts.RaiseAsync(AlertKind.Retention, subject, $"{why.Text} {why.Hint}", "orchestration", cancel).ConfigureAwait(false);
        }
        else
        {
            await alerts.CloseAsync(AlertKind.Retention, subject, ending.Note, "orchestration", cancel).ConfigureAwait(false);
        }

        return ending.Failure?.Code ?? "done";
    }
}
