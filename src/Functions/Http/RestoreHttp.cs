using Backup.Catalog.Restores;
using Backup.Functions.Restores;
using Backup.Policy;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Http;

/// <summary>The body of <c>POST /api/restores</c>.</summary>
/// <param name="Asset">What to bring back.</param>
/// <param name="Target">An absolute path on the agent's machine, below one of its restore roots.</param>
/// <param name="RecoveryPoint">Which point; the newest unless given.</param>
/// <param name="At">The newest point not after this instant; not together with <paramref name="RecoveryPoint"/> or <paramref name="RecoverTo"/>.</param>
/// <param name="RecoverTo">Databases whose log is received: recover along it to this instant (UTC unless it says otherwise), or to <c>latest</c>, from the newest point that leads there.</param>
/// <param name="Dump">Databases that are dumped: bring the point's dump back, as files, in place of the cluster.</param>
/// <param name="From"><c>vault</c>, or the tier whose replica to read. The vault unless given.</param>
/// <param name="Agent">Another agent than the one that backed the asset up; it needs the vault's restore key, and the replica's tier or the vault itself.</param>
/// <param name="Include">Patterns of what to bring back; everything unless given.</param>
/// <param name="Overwrite">Existing files may be replaced.</param>
/// <param name="Prove">Databases only: start what was restored in isolation and check it.</param>
/// <param name="Slot">Names the request: the same request and slot are the same restore. The present minute unless given.</param>
public sealed record RestoreBody(
    string Asset, string Target, string? RecoveryPoint = null, DateTimeOffset? At = null, string? RecoverTo = null, bool Dump = false, string? From = null, string? Agent = null, string[]? Include = null, bool Overwrite = false, bool Prove = false, string? Slot = null);

/// <summary>Restores over HTTP.</summary>
/// <param name="policy">Knows objectives.</param>
/// <param name="resolution">Finds out what a request means.</param>
/// <param name="restores">What has happened.</param>
/// <param name="clock">Names the minute.</param>
/// <param name="logger">Hears of failed requests.</param>
public sealed class RestoreHttp(PolicyDocument policy, RestoreResolution resolution, RestoreStore restores, TimeProvider clock, ILogger<RestoreHttp> logger)
{
    /// <summary>Starts a restore, or answers the one that is the same.</summary>
    [Function(nameof(PostRestore))]
    public Task<IResult> PostRestore(
        [HttpTrigger(AuthorizationLevel.Function, "post", Route = "restores")] HttpRequest request, [DurableClient] DurableTaskClient client, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, () => StartAsync(request, "restores", isDrill: false, client, cancel));

    /// <summary>Starts a drill, or answers the one that is the same: restores, proves databases, and removes what was restored.</summary>
    [Function(nameof(PostDrill))]
    public Task<IResult> PostDrill(
        [HttpTrigger(AuthorizationLevel.Function, "post", Route = "drills")] HttpRequest request, [DurableClient] DurableTaskClient client, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, () => StartAsync(request, "drills", isDrill: true, client, cancel));

    /// <summary>One restore; also one that was only just asked for.</summary>
    [Function(nameof(GetRestore))]
    public Task<IResult> GetRestore(
        [HttpTrigger(AuthorizationLevel.Function, "get", Route = "restores/{id}")] HttpRequest request, string id, [DurableClient] DurableTaskClient client, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, () => FindAsync(id, client, cancel));

    /// <summary>One drill; also one that was only just asked for.</summary>
    [Function(nameof(GetDrill))]
    public Task<IResult> GetDrill(
        [HttpTrigger(AuthorizationLevel.Function, "get", Route = "drills/{id}")] HttpRequest request, string id, [DurableClient] DurableTaskClient client, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, () => FindAsync(id, client, cancel));

    /// <summary>Restores, newest first; <c>?limit=&amp;continuation=</c>.</summary>
    [Function(nameof(GetRestores))]
    public Task<IResult> GetRestores([HttpTrigger(AuthorizationLevel.Function, "get", Route = "restores")] HttpRequest request, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, () => ListAsync(request, onlyDrills: false, cancel));

    /// <summary>Drills, newest first; <c>?limit=&amp;continuation=</c>.</summary>
    [Function(nameof(GetDrills))]
    public Task<IResult> GetDrills([HttpTrigger(AuthorizationLevel.Function, "get", Route = "drills")] HttpRequest request, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, () => ListAsync(request, onlyDrills: true, cancel));

    private async Task<HttpAnswer> StartAsync(HttpRequest request, string route, bool isDrill, DurableTaskClient client, CancellationToken cancel)
    {
        var body = await HttpInput.BodyAsync<RestoreBody>(request, cancel).ConfigureAwait(false);
        var input = await resolution.ResolveAsync(body, isDrill, HttpInput.Slot(body.Slot, clock.GetUtcNow()), cancel).ConfigureAwait(false);
        if (input.Task.From is { } from && ArchiveHttp.IsArchive(from))
        {
            throw HttpInput.Conflict($"Tier \"{from.Tier}\" is an archive: its packs have to be brought back first, which costs.", "POST /api/archive-restores with the same body plans that.");
        }

        var id = input.Task.Restore;
        var isNew = await client.StartOnceAsync(RestoreAsset.FunctionName, id, input, cancel).ConfigureAwait(false);
        return HttpAnswer.Accepted($"/api/{route}/{id}", new StartedView(id, $"/api/{route}/{id}", isNew));
    }

    private async Task<HttpAnswer> FindAsync(string id, DurableTaskClient client, CancellationToken cancel) =>
        await restores.FindAsync(new(id), cancel).ConfigureAwait(false) is { } restore
            ? HttpAnswer.Ok(View(restore))
            : await InstanceAnswers.OfAsync(client, id, [InstanceIds.RestoreKind], cancel).ConfigureAwait(false) ?? throw HttpInput.NotFound($"There is no restore \"{id}\".", "GET /api/restores lists them.");

    private async Task<HttpAnswer> ListAsync(HttpRequest request, bool onlyDrills, CancellationToken cancel)
    {
        var (limit, continuation) = HttpInput.Page(request);
        var page = await restores.ListAsync(onlyDrills, continuation, limit, cancel).ConfigureAwait(false);
        return HttpAnswer.Page(page, View);
    }

    private RestoreView View(Restore restore) =>
        RestoreView.Of(restore, policy.FindAsset(restore.Asset) is { } asset ? policy.ServiceClassOf(asset).Rto : null);
}
