using Backup.Catalog.Assets;
using Backup.Catalog.RecoveryPoints;
using Backup.Catalog.Replicas;
using Backup.Catalog.Rpo;
using Backup.Catalog.Runs;
using Backup.Functions.Rebuilding;
using Backup.Functions.Startup;
using Backup.Policy;
using Backup.Policy.Scheduling;
using Backup.Policy.States;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Http;

/// <summary>What the catalog knows, over HTTP, and how to refill it.</summary>
/// <param name="policy">What is promised.</param>
/// <param name="settings">The patience now.</param>
/// <param name="assets">Assets, also those that left the policy.</param>
/// <param name="runs">What scheduling goes by.</param>
/// <param name="points">What can be restored.</param>
/// <param name="replicas">Where copies are.</param>
/// <param name="clocks">The RPO clocks of databases.</param>
/// <param name="clock">Tells how old things are.</param>
/// <param name="logger">Hears of failed requests.</param>
public sealed class CatalogHttp(
    PolicyDocument policy, ControlPlaneSettings settings, AssetStore assets, RunStore runs, RecoveryPointStore points, ReplicaStore replicas, RpoClockStore clocks, TimeProvider clock, ILogger<CatalogHttp> logger)
{
    /// <summary>Assets by name, each with its protection; <c>?limit=&amp;continuation=</c>.</summary>
    [Function(nameof(GetAssets))]
    public Task<IResult> GetAssets([HttpTrigger(AuthorizationLevel.Function, "get", Route = "assets")] HttpRequest request, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            // Names are not secret and never change place: the last name is token enough.
            var (limit, continuation) = HttpInput.Page(request);
            var list = await assets.ListAsync(continuation is null ? null : new AssetName(continuation), limit + 1, cancel).ConfigureAwait(false);
            var shown = list.Take(limit).ToArray();
            return HttpAnswer.Ok(new PageView<AssetView>(await ViewsAsync(shown, cancel).ConfigureAwait(false), list.Count > limit ? shown[^1].Name.Value : null));
        });

    /// <summary>One asset.</summary>
    [Function(nameof(GetAsset))]
    public Task<IResult> GetAsset([HttpTrigger(AuthorizationLevel.Function, "get", Route = "assets/{name}")] HttpRequest request, string name, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () => await assets.FindAsync(new AssetName(name), cancel).ConfigureAwait(false) is { } asset
            ? HttpAnswer.Ok((await ViewsAsync([asset], cancel).ConfigureAwait(false))[0])
            : throw HttpInput.NotFound($"There is no asset \"{name}\".", "GET /api/assets lists them."));

    /// <summary>Recovery points with their replicas, newest first; <c>?asset=&amp;limit=&amp;continuation=</c>.</summary>
    [Function(nameof(GetRecoveryPoints))]
    public Task<IResult> GetRecoveryPoints([HttpTrigger(AuthorizationLevel.Function, "get", Route = "recovery-points")] HttpRequest request, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var (limit, continuation) = HttpInput.Page(request);
            var page = await points.ListAsync(HttpInput.Asset(request), continuation, limit, cancel).ConfigureAwait(false);
            var copies = await replicas.ListAsync([.. page.Items.Select(p => p.Id)], cancel).ConfigureAwait(false);
            return HttpAnswer.Page(page, point => RecoveryPointView.Of(point, copies));
        });

    /// <summary>Refills the catalog from the vaults, or answers the rebuild of this minute. Needs the admin key.</summary>
    [Function(nameof(PostCatalogRebuild))]
    public Task<IResult> PostCatalogRebuild(
        [HttpTrigger(AuthorizationLevel.Admin, "post", Route = "catalog/rebuild")] HttpRequest request, [DurableClient] DurableTaskClient client, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var id = InstanceIds.Rebuild(InstanceIds.SlotOf(clock.GetUtcNow()));
            var input = new RebuildRequest
            {
                RequestedBy = "api",
                Vaults = [.. policy.Assets.Select(a => new VaultPlace(a.Agent.Value, a.Vault.Value)).Distinct()],
                OfflineSeconds = settings.Patience.OfflineSeconds,
            };
            var isNew = await client.StartOnceAsync(nameof(CatalogRebuild), id, input, cancel).ConfigureAwait(false);
            return HttpAnswer.Accepted($"/api/catalog/rebuild/{id}", new StartedView(id, $"/api/catalog/rebuild/{id}", isNew));
        });

    /// <summary>How a rebuild goes: counts per vault when it has ended.</summary>
    [Function(nameof(GetCatalogRebuild))]
    public Task<IResult> GetCatalogRebuild(
        [HttpTrigger(AuthorizationLevel.Admin, "get", Route = "catalog/rebuild/{id}")] HttpRequest request, string id, [DurableClient] DurableTaskClient client, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
            await InstanceAnswers.OfAsync(client, id, [InstanceIds.RebuildKind], cancel).ConfigureAwait(false) ?? throw HttpInput.NotFound($"There is no rebuild \"{id}\".", "POST /api/catalog/rebuild starts one."));

    /// <summary>Whether the app can do its work. For load balancers: no key, and no detail that would help an attacker.</summary>
    [Function(nameof(GetHealth))]
    public async Task<IResult> GetHealth([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "health")] HttpRequest request, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(request);
        try
        {
            await assets.ListAsync(null, 1, cancel).ConfigureAwait(false);
            return HttpAnswer.Ok(new HealthView("ok"));
        }
        catch (Backup.Catalog.CatalogException e)
        {
            Log.RequestFailed(logger, e, request.Method, request.Path);
            return new HttpAnswer(StatusCodes.Status503ServiceUnavailable, new HealthView("unavailable"));
        }
    }

    private async Task<AssetView[]> ViewsAsync(CatalogAsset[] shown, CancellationToken cancel)
    {
        AssetName[] names = [.. shown.Select(a => a.Name)];
        var facts = (await runs.FactsAsync(names, cancel).ConfigureAwait(false)).ToDictionary(f => f.Asset);
        var told = (await clocks.ListAsync(names, cancel).ConfigureAwait(false)).ToDictionary(c => c.Asset);
        return [.. shown.Select(a => View(a, facts[a.Name], told.GetValueOrDefault(a.Name)))];
    }

    private AssetView View(CatalogAsset asset, AssetFacts facts, RpoClock? told)
    {
        var now = clock.GetUtcNow();
        var entry = policy.FindAsset(asset.Name);
        var rpo = entry is null ? (TimeSpan?)null : policy.ServiceClassOf(entry).Rpo;
        return new AssetView(
            asset.Name.Value,
            asset.Kind.ToString().ToLowerInvariant(),
            asset.Agent.Value,
            asset.Vault.Value,
            entry is not null,
            entry?.Enabled,
            entry?.ServiceClass.Value,
            entry?.DataClass.Value,
            entry is null ? null : [.. policy.TiersOf(entry).Select(t => t.Name.Value)],
            rpo is { } objective ? ProtectionStates.Assess(now, facts.LastRecoveryPoint, objective).ToString().ToLowerInvariant() : "unscheduled",
            rpo?.TotalSeconds,
            facts.LastRecoveryPoint,
            (now - facts.LastRecoveryPoint)?.TotalSeconds,
            rpo is { } o && facts.LastRecoveryPoint is not null ? BackupSchedule.DueAt(UnitFacts.Of(facts), o) : null,
            facts.ConsecutiveFailures,
            facts.IsRunning,
            told is null ? null : RpoView.Of(told, now, rpo));
    }

    private sealed record HealthView(string Status);
}
