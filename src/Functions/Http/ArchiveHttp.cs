using System.Text.Json;
using Backup.Catalog.Archive;
using Backup.Catalog.Retention;
using Backup.Functions.Access;
using Backup.Functions.Agents;
using Backup.Functions.Archive;
using Backup.Functions.Replication;
using Backup.Functions.Startup;
using Backup.Policy;
using Backup.Policy.Archive;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Http;

/// <summary>The body of <c>POST /api/archive-restores/{id}/start</c>.</summary>
/// <param name="Priority">Standard or high, with what the plan says of it.</param>
public sealed record ArchiveStartBody(RehydrationPriority Priority);

/// <summary>Restores from archive tiers: plan, show, approve, start. Nothing is paid for before the start.</summary>
/// <param name="resolution">Finds out what a request means.</param>
/// <param name="settings">The patience now.</param>
/// <param name="offsite">Knows containers.</param>
/// <param name="archive">What there is.</param>
/// <param name="administrators">Who may approve.</param>
/// <param name="clock">Names the minute.</param>
/// <param name="logger">Hears of failed requests.</param>
public sealed class ArchiveHttp(
    RestoreResolution resolution, ControlPlaneSettings settings, IOffsiteStore offsite, ArchiveStore archive, Administrators administrators, TimeProvider clock, ILogger<ArchiveHttp> logger)
{
    /// <summary>Plans a restore; takes the body of <c>POST /api/restores</c>.</summary>
    [Function(nameof(PostArchiveRestore))]
    public Task<IResult> PostArchiveRestore(
        [HttpTrigger(AuthorizationLevel.Function, "post", Route = "archive-restores")] HttpRequest request, [DurableClient] DurableTaskClient client, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var body = await HttpInput.BodyAsync<RestoreBody>(request, cancel).ConfigureAwait(false);
            var actor = administrators.Identify(request) ?? "api";
            var restore = await resolution.ResolveAsync(body, isDrill: false, HttpInput.Slot(body.Slot, clock.GetUtcNow()), cancel).ConfigureAwait(false) with { RequestedBy = actor };
            if (restore.Task.From is not { } from || !IsArchive(from))
            {
                throw HttpInput.Bad("\"from\" names no archive tier.", "From a vault or another tier nothing has to be brought back first: POST /api/restores.");
            }

            if (restore.Task.Recovery is not null)
            {
                throw HttpInput.Bad("From an archive a database comes back as it was backed up: \"recoverTo\" is not possible.", "Leave it out, or recover from a tier that is no archive.");
            }

            var asked = new ArchiveRequest { Restore = restore, Patience = settings.Archive };
            var place = new ReplicaPlaceId(offsite.AddressOf(new TierName(from.Tier), from.Container), restore.Task.VaultId, new TierName(from.Tier));
            await archive.OpenAsync(
                new NewArchiveRestore(new(asked.Id), new(restore.Task.Asset), new(restore.RecoveryPoint), place, JsonSerializer.Serialize(asked), actor), cancel).ConfigureAwait(false);
            var isNew = await client.StartOnceAsync(nameof(ArchiveSurvey), InstanceIds.ArchiveSurvey(asked.Id), asked, cancel).ConfigureAwait(false);
            return HttpAnswer.Accepted(LocationOf(asked.Id), new StartedView(asked.Id, LocationOf(asked.Id), isNew));
        });

    /// <summary>One of them: its plan, and how far it is.</summary>
    [Function(nameof(GetArchiveRestore))]
    public Task<IResult> GetArchiveRestore([HttpTrigger(AuthorizationLevel.Function, "get", Route = "archive-restores/{id}")] HttpRequest request, string id, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () => HttpAnswer.Ok(View(await FindAsync(id, cancel).ConfigureAwait(false))));

    /// <summary>All of them, newest first; <c>?limit=&amp;continuation=</c>.</summary>
    [Function(nameof(GetArchiveRestores))]
    public Task<IResult> GetArchiveRestores([HttpTrigger(AuthorizationLevel.Function, "get", Route = "archive-restores")] HttpRequest request, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var (limit, continuation) = HttpInput.Page(request);
            return HttpAnswer.Page(await archive.ListAsync(continuation, limit, cancel).ConfigureAwait(false), View);
        });

    /// <summary>An administrator approves what it costs.</summary>
    [Function(nameof(PostArchiveApproval))]
    public Task<IResult> PostArchiveApproval([HttpTrigger(AuthorizationLevel.Function, "post", Route = "archive-restores/{id}/approve")] HttpRequest request, string id, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () => HttpAnswer.Ok(View(await archive.ApproveAsync(new(id), administrators.Require(request), cancel).ConfigureAwait(false))));

    /// <summary>Starts a planned one: from here on it costs.</summary>
    [Function(nameof(PostArchiveStart))]
    public Task<IResult> PostArchiveStart(
        [HttpTrigger(AuthorizationLevel.Function, "post", Route = "archive-restores/{id}/start")] HttpRequest request, string id, [DurableClient] DurableTaskClient client, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var body = await HttpInput.BodyAsync<ArchiveStartBody>(request, cancel).ConfigureAwait(false);
            var started = await archive.StartAsync(new(id), body.Priority, administrators.Identify(request) ?? "api", cancel).ConfigureAwait(false);
            var run = new ArchiveRun { Request = JsonSerializer.Deserialize<ArchiveRequest>(started.Request)! };
            var isNew = await client.StartOnceAsync(nameof(ArchiveRestoration), id, run, cancel).ConfigureAwait(false);
            return HttpAnswer.Accepted(LocationOf(id), new StartedView(id, LocationOf(id), isNew));
        });

    /// <summary>Stops one, planned or under way. One that has ended is left as it is.</summary>
    [Function(nameof(PostArchiveCancellation))]
    public Task<IResult> PostArchiveCancellation(
        [HttpTrigger(AuthorizationLevel.Function, "post", Route = "archive-restores/{id}/cancel")] HttpRequest request, string id, [DurableClient] DurableTaskClient client, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var actor = administrators.Identify(request) ?? "api";
            var restore = await archive.CancelAsync(new(id), actor, cancel).ConfigureAwait(false);
            if (restore.State is ArchiveState.Cancelling)
            {
                await client.RaiseEventAsync(id, AgentJob.CancelEvent, actor, cancel).ConfigureAwait(false);
            }

            return HttpAnswer.Accepted(LocationOf(id), View(restore));
        });

    internal static bool IsArchive(ReplicaPlace place) => place.AccessTier == nameof(AccessTier.Archive);

    private static string LocationOf(string id) => $"/api/archive-restores/{id}";

    private async Task<ArchiveRestore> FindAsync(string id, CancellationToken cancel) =>
        await archive.FindAsync(new(id), cancel).ConfigureAwait(false) ?? throw HttpInput.NotFound($"There is no archive restore \"{id}\".", "GET /api/archive-restores lists them.");

    private static ArchiveView View(ArchiveRestore r) => new(
        r.Id.Value, r.Asset.Value, r.RecoveryPoint.Value, r.Place.Tier.Value, r.State, r.RequestedBy, r.CreatedAt, r.PlannedAt, r.PlannedAt + ArchiveMargins.PlanLife, r.Plan, r.Approvals, r.Priority,
        r.PacksReady, r.PacksRequested, r.FilesRestored, r.Note, r.EndedAt, r.CopiesKeptUntil, r.Priority is null ? null : $"/api/restores/{r.Id}");

    private sealed record ArchiveView(
        string Id, string Asset, string RecoveryPoint, string From, ArchiveState State, string RequestedBy, DateTimeOffset CreatedAt, DateTimeOffset? PlannedAt, DateTimeOffset? StartBefore, ArchivePlan? Plan,
        IReadOnlyList<string> Approvals, RehydrationPriority? Priority, int PacksReady, int PacksRequested, long FilesRestored, string? Note, DateTimeOffset? EndedAt, DateTimeOffset? CopiesKeptUntil,
        string? Restore);
}
