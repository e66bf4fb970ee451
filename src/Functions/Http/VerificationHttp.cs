using Backup.Catalog.Replicas;
using Backup.Catalog.Verifications;
using Backup.Functions.Verifications;
using Backup.Policy;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Http;

/// <summary>The body of <c>POST /api/verifications</c>.</summary>
/// <param name="Asset">Whose vault and replicas are verified now.</param>
public sealed record VerificationBody(string Asset);

/// <summary>Verifications over HTTP.</summary>
/// <param name="policy">The assets.</param>
/// <param name="starter">Starts verifications.</param>
/// <param name="replicas">What looking at replicas found.</param>
/// <param name="vaults">What verifying vaults found.</param>
/// <param name="logger">Hears of failed requests.</param>
public sealed class VerificationHttp(PolicyDocument policy, VerificationStarter starter, ReplicaStore replicas, VaultVerificationStore vaults, ILogger<VerificationHttp> logger)
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

    /// <summary>Verifications of vaults by their agents, newest first; <c>?limit=&amp;continuation=</c>.</summary>
    [Function(nameof(GetVaultVerifications))]
    public Task<IResult> GetVaultVerifications([HttpTrigger(AuthorizationLevel.Function, "get", Route = "verifications/vaults")] HttpRequest request, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var (limit, continuation) = HttpInput.Page(request);
            return HttpAnswer.Page(await vaults.ListAsync(continuation, limit, cancel).ConfigureAwait(false), v => new VaultView(
                v.Id, v.Agent.Value, v.Vault.Value, v.At, v.Depth, v.IsSound, v.ObjectsChecked, v.ObjectsRead, v.BytesRead, v.OldestVerification, v.ProblemsTotal, v.Mended, v.Quarantined, v.Finding));
        });

    /// <summary>Verifies an asset's vault and its replicas now. What is under way goes on as it is.</summary>
    [Function(nameof(PostVerification))]
    public Task<IResult> PostVerification(
        [HttpTrigger(AuthorizationLevel.Function, "post", Route = "verifications")] HttpRequest request, [DurableClient] DurableTaskClient client, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var body = await HttpInput.BodyAsync<VerificationBody>(request, cancel).ConfigureAwait(false);
            var asset = ProtectionHttp.Find(policy, body.Asset);
            var vault = await starter.StartVaultsAsync(client, v => v.Agent == asset.Agent && v.Vault == asset.Vault, cancel).ConfigureAwait(false);
            var copies = await starter.StartReplicasAsync(client, r => r.Agent == asset.Agent && r.Vault == asset.Vault, cancel).ConfigureAwait(false);
            return HttpAnswer.Accepted("/api/verifications", new StartedVerifications([.. vault, .. copies]));
        });

    private sealed record StartedVerifications(IReadOnlyList<string> Instances);

    private sealed record LookView(string Id, string RecoveryPoint, string Tier, DateTimeOffset At, bool IsSound, long ObjectsListed, long ObjectsHashed, long BytesHashed, string Finding);

    private sealed record VaultView(
        string Id, string Agent, string Vault, DateTimeOffset At, string Depth, bool IsSound, long ObjectsChecked, long ObjectsRead, long BytesRead, DateTimeOffset? OldestVerification, long ProblemsTotal,
        long Mended, long Quarantined, string Finding);
}
