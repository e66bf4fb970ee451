using System.Text.Json;
using Backup.Catalog.RecoveryPoints;
using Backup.Catalog.Replicas;
using Backup.Catalog.Restores;
using Backup.Catalog.Rpo;
using Backup.Catalog.Runs;
using Backup.Policy.Protection;

namespace Backup.Functions.Http;

/// <summary>What the API shows. Field names are a contract: they are added to, never renamed.</summary>
internal sealed record PageView<T>(IReadOnlyList<T> Items, string? Continuation);

internal sealed record ReasonView(string Code, string Text, string Hint)
{
    public static ReasonView? Of(OutcomeReason? reason) => reason is null ? null : new(reason.Code, reason.Text, reason.Hint);
}

internal sealed record RunView(
    string Id, string Asset, string Agent, string Vault, string State, string RequestedBy, DateTimeOffset OpenedAt, DateTimeOffset? OrderedAt, DateTimeOffset? EndedAt,
    string? RecoveryPoint, ReasonView? Reason, bool IsRebuilt)
{
    public static RunView Of(Run run) => new(
        run.Id.Value, run.Asset.Value, run.Agent.Value, run.Vault.Value, run.State.ToString().ToLowerInvariant(), run.RequestedBy, run.OpenedAt, run.OrderedAt, run.EndedAt,
        run.RecoveryPoint?.Value, ReasonView.Of(run.Reason), run.IsRebuilt);
}

internal sealed record ReplicaView(
    string Tier, string State, string Container, string AccessTier, long? ObjectsTotal, long? ObjectsCopied, long? BytesTotal, long? BytesCopied, DateTimeOffset? CheckedAt,
    string? ReasonCode, string? Reason)
{
    public static ReplicaView Of(Replica r) => new(
        r.Tier.Value, r.State.ToString().ToLowerInvariant(), r.ContainerUri.ToString(), r.AccessTier.ToString(), r.Copy?.ObjectsTotal, r.Copy?.ObjectsCopied, r.Copy?.BytesTotal,
        r.Copy?.BytesCopied, r.CheckedAt, r.ReasonCode, r.Reason);
}

internal sealed record RecoveryPointView(
    string Id, string Asset, string Run, string Agent, string Vault, string VaultId, string SnapshotId, string Kind, DateTimeOffset Instant, DateTimeOffset ReadingBeganAt, bool IsPartial,
    long BytesRead, long BytesNew, long BytesStored, long FilesTotal, long FilesUnreadableTotal, IReadOnlyList<UnreadableEntry> FilesUnreadable, LogPosition? ConsistencyPoint,
    DateTimeOffset PublishedAt, DateTimeOffset? MissingSince, DateTimeOffset? ExpiredAt, DateTimeOffset? RemovedAt, IReadOnlyList<ReplicaView> Replicas)
{
    public static RecoveryPointView Of(RecoveryPoint p, IEnumerable<Replica> replicas) => new(
        p.Id.Value, p.Asset.Value, p.Run.Value, p.Agent.Value, p.Vault.Value, p.Snapshot.VaultId, p.Snapshot.SnapshotId, p.Snapshot.Kind.ToString().ToLowerInvariant(), p.Snapshot.Instant,
        p.Snapshot.ReadingBeganAt, p.Snapshot.IsPartial, p.Snapshot.BytesRead, p.Snapshot.BytesNew, p.Snapshot.BytesStored, p.Snapshot.FilesTotal, p.Snapshot.FilesUnreadableTotal,
        p.Snapshot.FilesUnreadable, p.Snapshot.ConsistencyPoint, p.PublishedAt, p.MissingSince, p.ExpiredAt, p.RemovedAt,
        [.. replicas.Where(r => r.RecoveryPoint == p.Id).OrderBy(r => r.Tier.Value, StringComparer.Ordinal).Select(ReplicaView.Of)]);
}

internal sealed record RestoreView(
    string Id, string Asset, string RecoveryPoint, string Agent, string From, string Target, IReadOnlyList<string> Include, bool Overwrite, string State, string RequestedBy,
    DateTimeOffset OpenedAt, DateTimeOffset? OrderedAt, DateTimeOffset? EndedAt, ReasonView? Reason, long? FilesRestored, long? BytesRestored, long? BytesWritten, long? BytesVerified,
    bool IsDrill, string? RecoverTo, bool IsDump, RtoView? Rto, JsonElement? Proof)
{
    public static RestoreView Of(Restore r, TimeSpan? rto) => new(
        r.Id.Value, r.Asset.Value, r.RecoveryPoint.Value, r.Agent.Value, r.Tier?.Value ?? "vault", r.Target, r.Include, r.Overwrite, r.State.ToString().ToLowerInvariant(), r.RequestedBy,
        r.OpenedAt, r.OrderedAt, r.EndedAt, ReasonView.Of(r.Reason), r.Result?.Files, r.Result?.Bytes, r.Result?.BytesWritten, r.Result?.BytesVerified,
        r.IsDrill, r.RecoverTo, r.IsDump, r.Proof is { } proof ? RtoView.Of(proof, rto) : null, r.Proof is { } told ? JsonSerializer.Deserialize<JsonElement>(told.Document) : null);
}

/// <summary>The recovery time that a proof measured, from the order's acceptance, beside what the asset's class allows.</summary>
internal sealed record RtoView(double? SecondsToConsistent, double SecondsToChecked, double? LimitSeconds, bool IsProven, bool? IsWithinLimit)
{
    public static RtoView Of(ProofRecord proof, TimeSpan? limit)
    {
        var consistent = proof.ConsistentAt - proof.AcceptedAt;
        return new(consistent?.TotalSeconds, (proof.CheckedAt - proof.AcceptedAt).TotalSeconds, limit?.TotalSeconds, proof.IsProven, limit is null ? null : proof.IsProven && consistent <= limit);
    }
}

internal sealed record AssetView(
    string Name, string Kind, string Agent, string Vault, bool IsInPolicy, bool? IsScheduled, string? ServiceClass, string? DataClass, IReadOnlyList<string>? Tiers, string Protection,
    double? RpoSeconds, DateTimeOffset? LastRecoveryPoint, double? AgeSeconds, DateTimeOffset? DueAt, int ConsecutiveFailures, bool IsRunning, RpoView? Rpo);

/// <summary>The RPO clock of a database whose log is received, by the control plane's clock. The age goes on while the agent cannot be asked.</summary>
internal sealed record RpoView(
    DateTimeOffset? RestorableAt, double? AgeSeconds, double? LimitSeconds, string? State, DateTimeOffset HeardAt, string? DurableLsn, string? ServerLsn, long? SlotBytes, string? Problem)
{
    public static RpoView Of(RpoClock clock, DateTimeOffset now, TimeSpan? limit)
    {
        var age = now - clock.RestorableAt;
        return new(
            clock.RestorableAt, age?.TotalSeconds, limit?.TotalSeconds, age is { } a && limit is { } l ? HttpAnswer.Word(RpoRisk.Assess(a, l)) : null,
            clock.HeardAt, clock.DurableLsn, clock.ServerLsn, clock.SlotBytes, clock.Problem);
    }
}

/// <summary>Something was asked for, now or before: ask at the location how it goes.</summary>
internal sealed record StartedView(string Id, string Location, bool IsNew);
