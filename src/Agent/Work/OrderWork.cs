using Backup.AgentApi;

namespace Backup.Agent.Work;

/// <summary>Hands each job order to the work for its operation and turns expected exceptions into outcomes.</summary>
internal sealed class OrderWork(
    BackupWork backup, RestoreWork restore, ReplicateWork replicate, PruneWork prune, VerifyWork verify, TidyWork tidy, HoldWork holds, SurveyWork survey) : IOrderWork
{
    public async Task<JobOutcome> RunAsync(OrderId id, DateTimeOffset acceptedAt, OrderPayload order, IProgress<JobProgress> progress, CancellationToken cancel)
    {
        var side = order is RestoreOrder { From.Kind: not RestoreOriginKind.Vault } or SurveyOrder { From.Kind: not RestoreOriginKind.Vault } or VerifyOrder { Copy: not null } or TidyOrder
            ? JobSide.Replica
            : JobSide.Vault;
        try
        {
            return order switch
            {
                BackupOrder o => await backup.RunAsync(id, o, progress, cancel).ConfigureAwait(false),
                RestoreOrder o => await restore.RunAsync(id, acceptedAt, o, progress, cancel).ConfigureAwait(false),
                ReplicateOrder o => await replicate.RunAsync(o, progress, cancel).ConfigureAwait(false),
                PruneOrder o => await prune.RunAsync(o, progress, cancel).ConfigureAwait(false),
                HoldOrder o => await holds.HoldAsync(id, o, cancel).ConfigureAwait(false),
                ReleaseOrder o => await holds.ReleaseAsync(o).ConfigureAwait(false),
                VerifyOrder o => await verify.RunAsync(o, progress, cancel).ConfigureAwait(false),
                TidyOrder o => await tidy.RunAsync(o, cancel).ConfigureAwait(false),
                SurveyOrder o => await survey.RunAsync(id, o, cancel).ConfigureAwait(false),
                _ => throw new ArgumentException($"{order.Operation} is no job.", nameof(order)),
            };
        }
        catch (Exception e) when (!cancel.IsCancellationRequested && JobFailures.Of(e, side, order is RestoreOrder) is not null)
        {
            return JobOutcome.Failed(JobFailures.Of(e, side, order is RestoreOrder)!);
        }
    }

    public string? Abandon(OrderId id, OrderPayload order) => order is RestoreOrder o ? restore.Abandon(id, o) : null;
}
