using System.Collections.Concurrent;
using Backup.Functions.Replication;
using Backup.Policy;

namespace Backup.Functions.Tests.Scripted;

/// <summary>Off-site storage as the orchestrations see it; the real one is tested against Azurite.</summary>
internal sealed class ScriptedOffsite : IOffsiteStore
{
    public const string SecretMark = "sig=TOPSECRET";

    /// <summary>What a look finds, by tier.</summary>
    public ConcurrentDictionary<string, ReplicaLook> Looks { get; } = [];

    /// <summary>Tiers whose storage refuses.</summary>
    public ConcurrentDictionary<string, ControlPlaneException> Refusals { get; } = [];

    public ConcurrentQueue<ReplicaRights> Granted { get; } = [];

    /// <summary>Where its containers seem to be.</summary>
    public Uri BlobEndpoint { get; set; } = new("http://127.0.0.1:10000/devstoreaccount1");

    public Uri AddressOf(TierName tier, string container) => new($"{BlobEndpoint.ToString().TrimEnd('/')}/{container}");

    public Task<ReplicaGrant> GrantAsync(TierName tier, string container, ReplicaRights rights, CancellationToken cancel)
    {
        Granted.Enqueue(rights);
        return Refusals.TryGetValue(tier.Value, out var refusal)
            ? Task.FromException<ReplicaGrant>(refusal)
            : Task.FromResult(new ReplicaGrant(AddressOf(tier, container), $"{SecretMark}-{Granted.Count}"));
    }

    public Task<ReplicaLook> CheckAsync(TierName tier, string container, string vaultId, string manifestName, string manifestSha256, CancellationToken cancel) =>
        Task.FromResult(Looks.GetValueOrDefault(tier.Value, new ReplicaLook(IsSound: true, 10, 4, 400, "10 objects are there.")));

    /// <summary>What a verification finds.</summary>
    public Func<OffsiteReplica, ReplicaFinding> Finding { get; set; } = _ => new ReplicaFinding(new ReplicaLook(IsSound: true, 10, 1, 100, "10 objects are there."), []);

    /// <summary>Objects that were moved to quarantine.</summary>
    public ConcurrentQueue<string> Quarantined { get; } = [];

    public Task<ReplicaFinding> VerifyAsync(OffsiteReplica replica, int part, int parts, CancellationToken cancel) => Task.FromResult(Finding(replica));

    public Task<int> QuarantineAsync(OffsiteReplica replica, IReadOnlyList<string> names, CancellationToken cancel)
    {
        foreach (var name in names)
        {
            Quarantined.Enqueue(name);
        }

        return Task.FromResult(names.Count);
    }

    /// <summary>What manifests list.</summary>
    public Func<OffsiteReplica, IReadOnlyList<string>> Objects { get; set; } = _ => [];

    public Task<IReadOnlyList<string>> ObjectsAsync(OffsiteReplica replica, CancellationToken cancel) => Task.FromResult(Objects(replica));

    /// <summary>What a replica holds too much of, by the query.</summary>
    public Func<OffsiteReplica, OffsiteSurplusQuery, OffsiteSurplus> Surplus { get; set; } = (_, _) => new OffsiteSurplus([], []);

    /// <summary>Objects removed, in order.</summary>
    public ConcurrentQueue<string> Removed { get; } = [];

    public Task<OffsiteSurplus> SurplusAsync(OffsiteReplica replica, OffsiteSurplusQuery query, CancellationToken cancel) => Task.FromResult(Surplus(replica, query));

    public Task RemoveAsync(OffsiteReplica replica, IReadOnlyList<string> names, CancellationToken cancel)
    {
        foreach (var name in names)
        {
            Removed.Enqueue(name);
        }

        return Task.CompletedTask;
    }

    /// <summary>What each container has been given of the ten objects that every replica has, by a copy inside the cloud.</summary>
    public ConcurrentDictionary<string, ConcurrentDictionary<string, bool>> Copied { get; } = [];

    /// <summary>Fails the copying of a batch, by its number from 1; null for none.</summary>
    public Func<int, ControlPlaneException?> CopyFails { get; set; } = _ => null;

    /// <summary>Batches that were begun.</summary>
    public int Batches => _batches;

    private int _batches;

    public Task<OffsiteCopyStep> PlanCopyAsync(OffsiteReplica source, OffsitePlace target, DateTimeOffset since, int objectsMax, CancellationToken cancel)
    {
        var has = Copied.GetOrAdd(target.Container, _ => []);
        string[] lacking = [.. Enumerable.Range(0, 10).Select(i => $"{source.ManifestSha256[..4]}-{i}").Where(name => !has.ContainsKey(name)).Take(Math.Min(objectsMax, 4))];
        return Task.FromResult(new OffsiteCopyStep(lacking, lacking.Length > 0 ? null : new AgentApi.ReplicateResult
        {
            ObjectsTotal = 10,
            ObjectsCopied = 10,
            BytesTotal = 1000,
            BytesCopied = 1000,
            ManifestName = $"{source.VaultId}/replica-manifests/{new string('b', 64)}",
            ManifestSha256 = new string('b', 64),
        }));
    }

    public Task CopyAsync(OffsiteReplica source, OffsitePlace target, IReadOnlyList<string> names, CancellationToken cancel)
    {
        if (CopyFails(Interlocked.Increment(ref _batches)) is { } failure)
        {
            return Task.FromException(failure);
        }

        foreach (var name in names)
        {
            Copied[target.Container][name] = true;
        }

        return Task.CompletedTask;
    }

    public Task<int> RemoveManifestsAsync(OffsiteReplica replica, IReadOnlyCollection<string> kept, DateTimeOffset olderThan, CancellationToken cancel) => Task.FromResult(0);
}
