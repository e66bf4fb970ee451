using Backup.Catalog.Replicas;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Http;

/// <summary>Verifications over HTTP.</summary>
/// <param name="replicas">What looking at replicas found.</param>
/// <param name="logger">Hears of failed requests.</param>
public sealed class VerificationHttp(ReplicaStore replicas, ILogger<VerificationHttp> logger)
{
    /// <summary>Looks at replicas, newest first; <c>?limit=&amp;continuation=</c>.</summary>
    [Function(nameof(GetVerifications))]
    public Task<IResult> GetVerifications([HttpTrigger(AuthorizationLevel.Function, "get", Route = "verifications")] HttpRequest request, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var (limit, continuation) = HttpInput.Page(request);
            var page = await replicas.ListVerificationsAsync(continuation, limit, cancel).ConfigureAwait(false);
            return HttpAnswer.Page(
                page, v => new LookView(v.Id, v.RecoveryPoint.Value, v.Tier.Value, v.At, v.IsSound, v.ObjectsListed, v.ObjectsHashed, v.BytesHashed, v.Finding));
        });

    private sealed record LookView(string Id, string RecoveryPoint, string Tier, DateTimeOffset At, bool IsSound, long ObjectsListed, long ObjectsHashed, long BytesHashed, string Finding);
}
