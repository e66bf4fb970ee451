using Backup.Catalog.Retention;
using Backup.Catalog.Signals;
using Backup.Functions.Access;
using Backup.Functions.Retention;
using Backup.Policy;
using Backup.Policy.Retention;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Http;

/// <summary>The body of <c>POST /api/retention/plans</c>.</summary>
/// <param name="Asset">The asset's name.</param>
/// <param name="ForcedReason">Why the plan may delete more than the guards allow; needs an administrator, and two others to approve.</param>
/// <param name="Slot">Names the request; the present minute unless given.</param>
public sealed record PlanBody(string Asset, string? ForcedReason = null, string? Slot = null);

/// <summary>The body of decisions that have to be justified.</summary>
/// <param name="Reason">Why.</param>
public sealed record ReasonBody(string Reason);

/// <summary>
/// Retention: plan, show, approve, execute. Whoever decides about a plan shows a personal key (<see cref="Administrators.Header"/>) beside the
/// function key, so that one stolen key decides nothing.
/// </summary>
/// <param name="policy">What is kept.</param>
/// <param name="decisions">Decides.</param>
/// <param name="plans">Stored decisions.</param>
/// <param name="signals">What is frozen.</param>
/// <param name="starter">Executes.</param>
/// <param name="administrators">Who may decide.</param>
/// <param name="clock">Names the minute.</param>
/// <param name="logger">Hears of failed requests.</param>
public sealed class RetentionHttp(
    PolicyDocument policy, RetentionDecisions decisions, RetentionStore plans, SignalStore signals, RetentionStarter starter, Administrators administrators, TimeProvider clock, ILogger<RetentionHttp> logger)
{
    private const int PointsShownMax = 200;

    /// <summary>What the retention rule would do with the asset's recovery points now. Nothing is stored or deleted.</summary>
    [Function(nameof(GetRetention))]
    public Task<IResult> GetRetention([HttpTrigger(AuthorizationLevel.Function, "get", Route = "assets/{name}/retention")] HttpRequest request, string name, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var asset = ProtectionHttp.Find(policy, name);
            var (plan, freeze) = await decisions.DecideAsync(asset, cancel).ConfigureAwait(false);
            var deletions = plan.Deletions.ToArray();
            return HttpAnswer.Ok(new DecisionView(
                asset.Name.Value, plan.DecidedAt, plan.Verdicts.Count - deletions.Length, deletions.Length, freeze is not null, FreezeView.Of(freeze), asset.LegalHold, plan.Refusal, plan.NeedsApproval,
                [.. deletions.Take(PointsShownMax).Select(p => new PointView(p.Id, p.Instant, null, null, null))]));
        });

    /// <summary>Stores the decision of this moment as a plan, or answers the open plan that deletes the same.</summary>
    [Function(nameof(PostRetentionPlan))]
    public Task<IResult> PostRetentionPlan([HttpTrigger(AuthorizationLevel.Function, "post", Route = "retention/plans")] HttpRequest request, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var body = await HttpInput.BodyAsync<PlanBody>(request, cancel).ConfigureAwait(false);
            var asset = ProtectionHttp.Find(policy, body.Asset);
            var actor = body.ForcedReason is null ? administrators.Identify(request) ?? "api" : administrators.Require(request);
            var forced = body.ForcedReason is null ? null : HttpInput.Reason(body.ForcedReason);
            var (plan, _) = await decisions.DecideAsync(asset, cancel).ConfigureAwait(false);
            var id = InstanceIds.RetentionPlan(asset.Name.Value, HttpInput.Slot(body.Slot, clock.GetUtcNow()), forced is not null);
            return await plans.ProposeAsync(new NewRetentionPlan(id, plan, actor, forced), cancel).ConfigureAwait(false) is { } stored
                ? HttpAnswer.Ok(await ViewAsync(stored, cancel).ConfigureAwait(false))
                : throw HttpInput.Conflict($"Nothing of asset \"{body.Asset}\" is to be deleted now.", "GET /api/assets/{name}/retention shows the decision.");
        });

    /// <summary>Plans, newest first; <c>?asset=&amp;state=&amp;limit=&amp;continuation=</c>.</summary>
    [Function(nameof(GetRetentionPlans))]
    public Task<IResult> GetRetentionPlans([HttpTrigger(AuthorizationLevel.Function, "get", Route = "retention/plans")] HttpRequest request, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var (limit, continuation) = HttpInput.Page(request);
            var page = await plans.ListAsync(HttpInput.Asset(request), HttpInput.Choice<PlanState>(request, "state"), continuation, limit, cancel).ConfigureAwait(false);
            return HttpAnswer.Page(page, plan => View(plan, []));
        });

    /// <summary>One plan with its points.</summary>
    [Function(nameof(GetRetentionPlan))]
    public Task<IResult> GetRetentionPlan([HttpTrigger(AuthorizationLevel.Function, "get", Route = "retention/plans/{id}")] HttpRequest request, string id, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () => HttpAnswer.Ok(await ViewAsync(await FindAsync(id, cancel).ConfigureAwait(false), cancel).ConfigureAwait(false)));

    /// <summary>An administrator approves a plan.</summary>
    [Function(nameof(PostRetentionApproval))]
    public Task<IResult> PostRetentionApproval([HttpTrigger(AuthorizationLevel.Function, "post", Route = "retention/plans/{id}/approve")] HttpRequest request, string id, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () => HttpAnswer.Ok(await ViewAsync(await plans.ApproveAsync(id, administrators.Require(request), cancel).ConfigureAwait(false), cancel).ConfigureAwait(false)));

    /// <summary>An administrator rejects a plan.</summary>
    [Function(nameof(PostRetentionRejection))]
    public Task<IResult> PostRetentionRejection([HttpTrigger(AuthorizationLevel.Function, "post", Route = "retention/plans/{id}/reject")] HttpRequest request, string id, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var administrator = administrators.Require(request);
            var reason = await HttpInput.ReasonAsync(request, cancel).ConfigureAwait(false);
            return HttpAnswer.Ok(await ViewAsync(await plans.RejectAsync(id, administrator, reason, cancel).ConfigureAwait(false), cancel).ConfigureAwait(false));
        });

    /// <summary>Executes a plan that is ready, with every other ready plan of its vault.</summary>
    [Function(nameof(PostRetentionExecution))]
    public Task<IResult> PostRetentionExecution(
        [HttpTrigger(AuthorizationLevel.Function, "post", Route = "retention/plans/{id}/execute")] HttpRequest request, string id, [DurableClient] DurableTaskClient client, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var plan = await FindAsync(id, cancel).ConfigureAwait(false);
            if (plan.State is not (PlanState.Ready or PlanState.Running))
            {
                throw HttpInput.Conflict($"Plan \"{id}\" cannot be executed: it is {HttpAnswer.Word(plan.State)}.", "Only a plan that is ready can; above the threshold two other administrators have to approve it first.");
            }

            var asset = ProtectionHttp.Find(policy, plan.Asset.Value);
            var (instance, isNew) = await starter.StartAsync(client, asset.Agent, asset.Vault, administrators.Identify(request) ?? "api", cancel).ConfigureAwait(false);
            return HttpAnswer.Accepted($"/api/retention/plans/{id}", new StartedView(instance, $"/api/retention/plans/{id}", isNew));
        });

    /// <summary>An administrator lifts a freeze, with the reason.</summary>
    [Function(nameof(PostUnfreeze))]
    public Task<IResult> PostUnfreeze([HttpTrigger(AuthorizationLevel.Function, "post", Route = "assets/{name}/unfreeze")] HttpRequest request, string name, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var administrator = administrators.Require(request);
            var asset = ProtectionHttp.Find(policy, name);
            var reason = await HttpInput.ReasonAsync(request, cancel).ConfigureAwait(false);
            return HttpAnswer.Ok(new UnfrozenView(asset.Name.Value, await signals.LiftAsync(asset.Name, reason, administrator, cancel).ConfigureAwait(false)));
        });

    private async Task<StoredPlan> FindAsync(string id, CancellationToken cancel) =>
        await plans.FindAsync(id, cancel).ConfigureAwait(false) ?? throw HttpInput.NotFound($"There is no retention plan \"{id}\".", "GET /api/retention/plans lists them.");

    private async Task<PlanView> ViewAsync(StoredPlan plan, CancellationToken cancel) => View(plan, await plans.PointsAsync(plan.Id, PointsShownMax, cancel).ConfigureAwait(false));

    private static PlanView View(StoredPlan plan, IReadOnlyList<PlanPoint> points) => new(
        plan.Id, plan.Asset.Value, plan.DecidedAt, plan.RequestedBy, plan.ForcedReason, plan.State, plan.Refusal, plan.ApprovalsNeeded, plan.Approvals, plan.PointsKept, plan.PointsDeleted, plan.Note,
        [.. points.Select(p => new PointView(p.Id.Value, p.Instant, p.Spared, p.ExpiredAt, p.RemovedAt))]);

    private sealed record PointView(string Id, DateTimeOffset Instant, string? Spared, DateTimeOffset? ExpiredAt, DateTimeOffset? RemovedAt);

    private sealed record UnfrozenView(string Asset, bool WasFrozen);

    private sealed record DecisionView(
        string Asset, DateTimeOffset DecidedAt, int Kept, int Deleted, bool IsFrozen, FreezeView? Freeze, bool LegalHold, PlanRefusal Refusal, bool NeedsApproval, IReadOnlyList<PointView> Deletions);

    private sealed record PlanView(
        string Id, string Asset, DateTimeOffset DecidedAt, string RequestedBy, string? ForcedReason, PlanState State, PlanRefusal Refusal, int ApprovalsNeeded, IReadOnlyList<string> Approvals,
        int PointsKept, int PointsDeleted, string? Note, IReadOnlyList<PointView> Points);
}
