using System.Globalization;
using Backup.Catalog;
using Backup.Catalog.Assets;
using Backup.Catalog.RecoveryPoints;
using Backup.Catalog.Replicas;
using Backup.Functions.Agents;
using Backup.Functions.Restores;
using Backup.Functions.Startup;
using Backup.Policy;

namespace Backup.Functions.Http;

/// <summary>Finds out what a wish to restore means: which point, from where, by whom. Refuses what cannot be done.</summary>
/// <param name="policy">Knows agents and tiers.</param>
/// <param name="settings">The patience now.</param>
/// <param name="assets">Knows assets, also those that left the policy.</param>
/// <param name="points">Knows what can be restored.</param>
/// <param name="replicas">Knows from where.</param>
public sealed class RestoreResolution(PolicyDocument policy, ControlPlaneSettings settings, AssetStore assets, RecoveryPointStore points, ReplicaStore replicas)
{
    private const string FromVault = "vault";
    private const int IncludeMax = 1000;
    private const int PathCharsMax = 4096;

    /// <summary>The restore that is asked for.</summary>
    internal async Task<RestoreRequest> ResolveAsync(RestoreBody body, bool isDrill, string slot, CancellationToken cancel)
    {
        CheckForm(body, isDrill);
        var goal = body.RecoverTo is { } to ? Goal(to) : null;
        var point = await FindPointAsync(body, goal, cancel).ConfigureAwait(false);
        var place = await FindPlaceAsync(body, point, cancel).ConfigureAwait(false);
        // A copy on another node is read by the agent next to it.
        var agent = FindAgent(body.Agent ?? place?.Copier ?? point.Agent.Value);
        var isDatabase = point.Snapshot.Kind is SourceKind.Postgres;
        if (!isDatabase && (body.Prove ? "prove" : goal is not null ? "recoverTo" : body.Dump ? "dump" : null) is { } misplaced)
        {
            throw HttpInput.Bad($"\"{misplaced}\" is for databases; \"{body.Asset}\" is none.", "Leave it out: every byte of a file is checked while it is restored, and each point is restored as it is.");
        }

        var snapshot = !body.Dump ? point.Snapshot.SnapshotId : point.Snapshot.ConsistencyPoint?.DumpSnapshotId ?? throw HttpInput.Conflict(
            $"Recovery point \"{point.Id}\" has no dump.", "Dumps are made for databases whose policy says \"dump\"; GET /api/recovery-points shows which points have one.");

        var id = InstanceIds.Restore(
            body.Asset, slot, [point.Id.Value, place?.Tier ?? FromVault, agent.Value, body.Target, (isDrill, body.Prove, body.Overwrite) switch
            {
                (true, _, _) => "drill",
                (_, true, _) => "prove",
                (_, _, true) => "overwrite",
                _ => "keep",
            },
            string.Join('\n', body.Include ?? []),
            .. goal is null ? [] : (string[])[$"to {body.RecoverTo}"],
            .. body.Dump ? (string[])["dump"] : []]);
        return new RestoreRequest
        {
            RecoveryPoint = point.Id.Value,
            Agent = agent.Value,
            RequestedBy = "api",
            IsDump = body.Dump,
            Patience = settings.Patience,
            Task = new RestoreTask
            {
                Restore = id,
                Asset = body.Asset,
                // A dump is brought back as the files it is.
                Kind = (body.Dump ? SourceKind.Files : point.Snapshot.Kind).ToString().ToLowerInvariant(),
                Vault = point.Vault.Value,
                VaultId = point.Snapshot.VaultId,
                SnapshotId = snapshot,
                From = place,
                Target = body.Target,
                Include = body.Include ?? [],
                Overwrite = body.Overwrite,
                Recovery = goal,
                Proof = body.Prove || (isDrill && isDatabase) ? Proof(policy.FindAsset(new AssetName(body.Asset))?.Proof ?? ProofRule.Standard) : null,
                Discard = isDrill,
            },
        };
    }

    private static AgentApi.RecoveryGoal Goal(string to) => new()
    {
        Time = to == RestoreRequest.Latest ? null
            : DateTimeOffset.TryParse(to, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time) ? time
            : throw HttpInput.Bad($"\"recoverTo\" is neither \"{RestoreRequest.Latest}\" nor an instant.", "Write an instant as 2026-05-01T12:30:00Z."),
    };

    private static AgentApi.ProofSettings Proof(ProofRule rule) => new()
    {
        TimeLimitSeconds = (int)rule.TimeLimit.TotalSeconds,
        Checks = [.. rule.Checks.Select(check => new AgentApi.ProofQuestion
        {
            Name = check.Name,
            Database = check.Database,
            Sql = check.Sql,
            Expect = check.Expect,
            TimeLimitSeconds = (int)check.TimeLimit.TotalSeconds,
        })],
    };

    private static void CheckForm(RestoreBody body, bool isDrill)
    {
        if (isDrill && (body.Overwrite || body.Include is { Length: > 0 }))
        {
            throw HttpInput.Bad("A drill takes neither \"overwrite\" nor \"include\".", "It restores everything to an empty place, and removes it again.");
        }

        if (body.Dump && (isDrill || body.Prove || body.RecoverTo is not null))
        {
            throw HttpInput.Bad("\"dump\" goes with neither \"recoverTo\", \"prove\" nor a drill.", "A dump is files for pg_restore: of its own moment, and no cluster that could be started.");
        }

        if (body.Target is not ['/', ..] || body.Target.Length > PathCharsMax || body.Target.Contains('\0', StringComparison.Ordinal) || body.Target.Split('/').Contains(".."))
        {
            throw HttpInput.Bad("\"target\" is not an absolute path without \"..\".", $"Give a path on the agent's machine, of at most {PathCharsMax} characters.");
        }

        if (body.At is not null && (body.RecoveryPoint is not null || body.RecoverTo is not null))
        {
            throw HttpInput.Bad("\"at\" goes with neither \"recoveryPoint\" nor \"recoverTo\".", "Give one of them, or none for the newest point.");
        }

        if (body.Include is { } include && (include.Length > IncludeMax || include.Any(p => p.Length is 0 or > PathCharsMax)))
        {
            throw HttpInput.Bad($"\"include\" holds at most {IncludeMax} patterns of 1 to {PathCharsMax} characters.", "Restore more at once, or leave it out for everything.");
        }
    }

    private async Task<RecoveryPoint> FindPointAsync(RestoreBody body, AgentApi.RecoveryGoal? goal, CancellationToken cancel)
    {
        var asset = new AssetName(body.Asset);
        if (await assets.FindAsync(asset, cancel).ConfigureAwait(false) is null)
        {
            throw HttpInput.NotFound($"There is no asset \"{asset}\".", "GET /api/assets lists them.");
        }

        if (body.RecoveryPoint is { } id)
        {
            var point = await points.FindAsync(new RecoveryPointId(id), cancel).ConfigureAwait(false);
            return point?.Asset == asset
                ? point.ExpiredAt is null ? point : throw HttpInput.Conflict($"Retention gave recovery point \"{id}\" up on {point.ExpiredAt:yyyy-MM-dd}.", $"GET /api/recovery-points?asset={asset} lists those that live.")
                : throw HttpInput.NotFound($"Asset \"{asset}\" has no recovery point \"{id}\".", $"GET /api/recovery-points?asset={asset} lists them.");
        }

        var until = goal?.Time ?? body.At?.ToUniversalTime();
        var found = goal is null ? points.FindNewestAsync(asset, until, cancel) : points.FindNewestToReplayFromAsync(asset, until, cancel);
        return await found.ConfigureAwait(false)
            ?? throw HttpInput.Conflict(
                until is null ? $"Asset \"{asset}\" has no recovery point." : $"Asset \"{asset}\" has no recovery point from before that instant.",
                "Back it up first, or rebuild the catalog (POST /api/catalog/rebuild) if its vault holds snapshots.");
    }

    private async Task<ReplicaPlace?> FindPlaceAsync(RestoreBody body, RecoveryPoint point, CancellationToken cancel)
    {
        if (body.From is null or FromVault)
        {
            return point.MissingSince is null
                ? null
                : throw HttpInput.Conflict($"The vault no longer holds recovery point \"{point.Id}\".", "Restore from a tier: GET /api/recovery-points shows its replicas.");
        }

        if (policy.FindTier(new TierName(body.From)) is not { } tier)
        {
            throw HttpInput.NotFound($"There is no tier \"{body.From}\" in the policy.", "\"from\" is vault, or the name of a tier.");
        }

        var replica = (await replicas.ListAsync([point.Id], cancel).ConfigureAwait(false)).FirstOrDefault(r => r.Tier == tier.Name);
        return replica is { State: not (ReplicaState.Failed or ReplicaState.Removed) } && ReplicaPlace.At(tier, point.Agent, point.Vault, replica.ContainerUri) is { } place
            ? place
            : throw HttpInput.Conflict($"Recovery point \"{point.Id}\" has no replica in tier \"{tier.Name}\".", "GET /api/recovery-points shows where its replicas are.");
    }

    private AgentName FindAgent(string name) =>
        policy.FindAgent(new AgentName(name))?.Name ?? throw HttpInput.NotFound($"There is no agent \"{name}\" in the policy.", "Name an agent of the policy that may restore.");
}
