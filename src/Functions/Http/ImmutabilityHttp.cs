using Backup.Catalog.Immutability;
using Backup.Policy;
using Backup.Policy.Immutability;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Http;

/// <summary>How far the locks of replicas reach.</summary>
/// <param name="policy">Which tiers are to be immutable.</param>
/// <param name="locks">What the last looks found.</param>
/// <param name="logger">Hears of failed requests.</param>
public sealed class ImmutabilityHttp(PolicyDocument policy, LockStore locks, ILogger<ImmutabilityHttp> logger)
{
    /// <summary>Of every replica: who keeps its locks, how many of its objects are covered, and when the first lock ends.</summary>
    [Function(nameof(GetImmutability))]
    public Task<IResult> GetImmutability([HttpTrigger(AuthorizationLevel.Function, "get", Route = "immutability")] HttpRequest request, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () => HttpAnswer.Ok(new ImmutabilityView(
            [.. policy.Tiers.Select(t => new TierView(t.Name.Value, t.Immutable is not null, t.Immutable?.LockFor.TotalDays, t.Immutable is null ? null : t.Immutable.IsFinal ? "locked" : "unlocked", t.Immutable?.Scope))],
            [.. (await locks.ListAsync(cancel).ConfigureAwait(false)).Select(l => new ReplicaView(
                l.Place.Tier.Value, l.Place.Container.ToString(), l.Place.VaultId, l.Kind, l.Kind is LockKind.Emulated, l.At, l.Coverage.Objects, l.Coverage.Covered, l.Coverage.Held, l.Coverage.EarliestEnd,
                l.Coverage.IsComplete, l.Note))])));

    private sealed record ImmutabilityView(IReadOnlyList<TierView> Tiers, IReadOnlyList<ReplicaView> Replicas);

    private sealed record TierView(string Name, bool IsImmutable, double? LockDays, string? Mode, LockScope? Scope);

    private sealed record ReplicaView(
        string Tier, string Container, string VaultId, LockKind Kind, bool IsEmulated, DateTimeOffset At, int Objects, int Covered, int UnderLegalHold, DateTimeOffset? EarliestEnd, bool IsComplete, string Note);
}
