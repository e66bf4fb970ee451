using System.Collections.Concurrent;
using Azure;
using Azure.Identity;
using Azure.Storage.Blobs;
using Azure.Storage.Sas;
using Backup.Functions.Startup;
using Backup.Policy;
using Backup.Vault;
using Backup.Vault.AzureBlob;
using Backup.Vault.Storage;
using Microsoft.Extensions.Configuration;

namespace Backup.Functions.Replication;

/// <summary>Blob storage: by connection string (Azurite), or by the app's own identity, which signs with a user delegation key.</summary>
/// <param name="configuration">Holds <c>Offsite:…</c> and <c>Offsite:{tier}:…</c>.</param>
/// <param name="clock">Sets the ends of grants.</param>
public sealed class AzureOffsiteStore(IConfiguration configuration, TimeProvider clock) : IOffsiteStore
{
    /// <summary>Long enough to copy a day's packs over a slow line; a copy that outlives it is ordered again with a fresh grant.</summary>
    public static readonly TimeSpan GrantLifetime = TimeSpan.FromHours(4);

    /// <summary>How long a right lasts that this process makes for its own next requests.</summary>
    private static readonly TimeSpan OwnUseLifetime = TimeSpan.FromHours(1);

    /// <summary>A grant begins this much earlier, because the storage's clock may be behind ours.</summary>
    public static readonly TimeSpan ClockSkew = TimeSpan.FromMinutes(10);

    private const int StatusForbidden = 403;
    private const int StatusUnauthorized = 401;
    private const int StatusBadRequest = 400;

    private readonly ConcurrentDictionary<TierName, (BlobServiceClient Service, bool UsesIdentity)> _clients = [];

    /// <inheritdoc/>
    public Uri AddressOf(TierName tier, string container) => Connect(tier).Service.GetBlobContainerClient(container).Uri;

    /// <inheritdoc/>
    public async Task<ReplicaGrant> GrantAsync(TierName tier, string container, ReplicaRights rights, CancellationToken cancel)
    {
        if (rights is ReplicaRights.Copy)
        {
            await EnsureAsync(tier, container, cancel).ConfigureAwait(false);
        }

        return await SignAsync(tier, container, Permissions(rights), GrantLifetime, cancel).ConfigureAwait(false);
    }

    private async Task EnsureAsync(TierName tier, string container, CancellationToken cancel)
    {
        try
        {
            await Connect(tier).Service.GetBlobContainerClient(container).CreateIfNotExistsAsync(cancellationToken: cancel).ConfigureAwait(false);
        }
        catch (Exception e) when (e is RequestFailedException or AuthenticationFailedException or AggregateException or IOException)
        {
            throw Explain(tier, container, e);
        }
    }

    private async Task<ReplicaGrant> SignAsync(TierName tier, string container, BlobContainerSasPermissions permissions, TimeSpan lifetime, CancellationToken cancel)
    {
        var (service, usesIdentity) = Connect(tier);
        var client = service.GetBlobContainerClient(container);
        try
        {
            var (begin, end) = (clock.GetUtcNow() - ClockSkew, clock.GetUtcNow() + lifetime);
            var builder = new BlobSasBuilder(permissions, end) { BlobContainerName = container, Resource = "c", StartsOn = begin };
            if (!usesIdentity)
            {
                return new ReplicaGrant(client.Uri, client.GenerateSasUri(builder).Query.TrimStart('?'));
            }

            var key = await service.GetUserDelegationKeyAsync(begin, end, cancel).ConfigureAwait(false);
            return new ReplicaGrant(client.Uri, builder.ToSasQueryParameters(key.Value, service.AccountName).ToString());
        }
        catch (Exception e) when (e is RequestFailedException or AuthenticationFailedException or AggregateException or IOException)
        {
            throw Explain(tier, container, e);
        }
    }

    /// <inheritdoc/>
    public async Task<ReplicaLook> CheckAsync(TierName tier, string container, string vaultId, string manifestName, string manifestSha256, CancellationToken cancel)
    {
        if (!VaultId.TryParse(vaultId, out var vault))
        {
            return new ReplicaLook(IsSound: false, 0, 0, 0, "The agent's receipt names no vault id.");
        }

        var grant = await GrantAsync(tier, container, ReplicaRights.Read, cancel).ConfigureAwait(false);
        try
        {
            var report = await ReplicaCheck.RunAsync(
                BlobLocation.Parse(grant.Container.ToString()), vault, BlobCredential.FromSas(grant.Sas), manifestName, manifestSha256, options: null, cancel).ConfigureAwait(false);
            return new ReplicaLook(report.IsSound, report.ObjectsTotal, report.ObjectsHashed, report.BytesHashed, Describe(report));
        }
        catch (VaultException e) when (e.Fault is VaultFault.Damaged or VaultFault.NotFound)
        {
            return new ReplicaLook(IsSound: false, 0, 0, 0, e.Message.Split('\n')[0]);
        }
        catch (VaultException e)
        {
            throw Explain(container, e);
        }
    }

    /// <inheritdoc/>
    public async Task<ReplicaFinding> VerifyAsync(OffsiteReplica replica, int part, int parts, CancellationToken cancel)
    {
        if (!VaultId.TryParse(replica.VaultId, out var vault))
        {
            return new ReplicaFinding(new ReplicaLook(IsSound: false, 0, 0, 0, "The catalog names no vault id."), []);
        }

        var grant = await GrantAsync(replica.Tier, replica.Container, ReplicaRights.Read, cancel).ConfigureAwait(false);
        try
        {
            var options = new ReplicaCheckOptions { Slice = new HashSlice(part, parts), HashedBytesMax = long.MaxValue };
            var report = await ReplicaCheck.RunAsync(
                BlobLocation.Parse(grant.Container.ToString()), vault, BlobCredential.FromSas(grant.Sas), replica.ManifestName, replica.ManifestSha256, options, cancel).ConfigureAwait(false);
            var finding = report.IsSound
                ? $"{report.ObjectsTotal} objects are there; {report.ObjectsHashed} of part {part + 1} of {parts} were hashed."
                : $"{report.FaultsTotal} faults: {string.Join("; ", report.Faults)}";
            return new ReplicaFinding(new ReplicaLook(report.IsSound, report.ObjectsTotal, report.ObjectsHashed, report.BytesHashed, finding), [.. report.FaultyObjects.Select(o => o.ToString())]);
        }
        catch (VaultException e) when (e.Fault is VaultFault.Damaged or VaultFault.NotFound)
        {
            return new ReplicaFinding(new ReplicaLook(IsSound: false, 0, 0, 0, e.Message.Split('\n')[0]), []);
        }
        catch (VaultException e)
        {
            throw Explain(replica.Container, e);
        }
    }

    /// <inheritdoc/>
    public Task<int> QuarantineAsync(OffsiteReplica replica, IReadOnlyList<string> names, CancellationToken cancel) => WithReplicaAsync(
        replica,
        BlobContainerSasPermissions.Read | BlobContainerSasPermissions.Create | BlobContainerSasPermissions.Write | BlobContainerSasPermissions.Delete,
        async (store, _) =>
        {
            var moved = 0;
            foreach (var text in names)
            {
                moved += ObjectName.TryParse(text, out var name) && await store.QuarantineAsync(name, cancel).ConfigureAwait(false) ? 1 : 0;
            }

            return moved;
        },
        cancel);

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> ObjectsAsync(OffsiteReplica replica, CancellationToken cancel) => WithReplicaAsync<IReadOnlyList<string>>(
        replica,
        BlobContainerSasPermissions.Read,
        async (store, vault) =>
            [.. (await ReplicaCheck.ReadManifestAsync(store, vault, replica.ManifestName, replica.ManifestSha256, cancel).ConfigureAwait(false)).Entries.Select(e => e.Name.ToString())],
        cancel);

    /// <inheritdoc/>
    public Task<OffsiteSurplus> SurplusAsync(OffsiteReplica replica, OffsiteSurplusQuery query, CancellationToken cancel) => WithReplicaAsync(
        replica,
        BlobContainerSasPermissions.List | BlobContainerSasPermissions.Read,
        async (store, vault) =>
        {
            var manifest = await ReplicaCheck.ReadManifestAsync(store, vault, replica.ManifestName, replica.ManifestSha256, cancel).ConfigureAwait(false);
            return OffsiteSurplus.Of(ReplicaSurplus.Decide(manifest, await store.ListReplicaAsync(cancel).ConfigureAwait(false), OffsiteSurplus.Parse(query)));
        },
        cancel);

    /// <inheritdoc/>
    public Task RemoveAsync(OffsiteReplica replica, IReadOnlyList<string> names, CancellationToken cancel) => WithReplicaAsync(
        replica,
        BlobContainerSasPermissions.Delete,
        async (store, _) =>
        {
            foreach (var name in names.Select(Parse))
            {
                await store.DeleteAsync(name, cancel).ConfigureAwait(false);
            }

            return names.Count;
        },
        cancel);

    /// <inheritdoc/>
    public async Task<OffsiteCopyStep> PlanCopyAsync(OffsiteReplica source, OffsitePlace target, DateTimeOffset since, int objectsMax, CancellationToken cancel)
    {
        await EnsureAsync(target.Tier, target.Container, cancel).ConfigureAwait(false);
        return await WithRegionsAsync(
            source,
            target,
            async regions =>
            {
                var step = await regions.NextAsync(source.ManifestName, source.ManifestSha256, since, objectsMax, cancel).ConfigureAwait(false);
                return new OffsiteCopyStep([.. step.Lacking.Select(name => name.ToString())], step.Outcome is not { } done ? null : new AgentApi.ReplicateResult
                {
                    ObjectsTotal = done.ObjectsTotal,
                    ObjectsCopied = done.ObjectsCopied,
                    BytesTotal = done.BytesTotal,
                    BytesCopied = done.BytesCopied,
                    ManifestName = done.ManifestName,
                    ManifestSha256 = done.ManifestHash.ToString(),
                });
            },
            cancel).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task CopyAsync(OffsiteReplica source, OffsitePlace target, IReadOnlyList<string> names, CancellationToken cancel) => WithRegionsAsync(
        source,
        target,
        async regions =>
        {
            await regions.CopyAsync([.. names.Select(Parse)], cancel).ConfigureAwait(false);
            return true;
        },
        cancel);

    /// <inheritdoc/>
    public Task<int> RemoveManifestsAsync(OffsiteReplica replica, IReadOnlyCollection<string> kept, DateTimeOffset olderThan, CancellationToken cancel) => WithReplicaAsync(
        replica, BlobContainerSasPermissions.List | BlobContainerSasPermissions.Delete, (store, _) => store.RemoveManifestsAsync(kept, olderThan, cancel), cancel);

    /// <summary>Opens a replica with a right that is made for this call, is short-lived and leaves this process only towards the storage.</summary>
    private async Task<T> WithReplicaAsync<T>(OffsiteReplica replica, BlobContainerSasPermissions permissions, Func<AzureBlobObjectStore, VaultId, Task<T>> work, CancellationToken cancel, BlobStoreOptions? options = null)
    {
        if (!VaultId.TryParse(replica.VaultId, out var vault))
        {
            throw new ControlPlaneException(ControlPlaneFault.ReplicaUnsafe, $"\"{replica.VaultId}\" is no vault id.", "Check the catalog.");
        }

        var grant = await SignAsync(replica.Tier, replica.Container, permissions, OwnUseLifetime, cancel).ConfigureAwait(false);
        try
        {
            return await work(Replica.Open(BlobLocation.Parse(grant.Container.ToString()), vault, BlobCredential.FromSas(grant.Sas), options), vault).ConfigureAwait(false);
        }
        catch (VaultException e)
        {
            throw Explain(replica.Container, e);
        }
    }

    private async Task<T> WithRegionsAsync<T>(OffsiteReplica source, OffsitePlace target, Func<RegionReplication, Task<T>> work, CancellationToken cancel)
    {
        var reading = await SignAsync(source.Tier, source.Container, Permissions(ReplicaRights.Read), OwnUseLifetime, cancel).ConfigureAwait(false);
        var options = new BlobStoreOptions { DataPackTier = new Azure.Storage.Blobs.Models.AccessTier(target.AccessTier.ToString()) };
        return await WithReplicaAsync(
            new OffsiteReplica(target.Tier, target.Container, source.VaultId, "", ""),
            Permissions(ReplicaRights.Copy),
            (store, vault) => work(new RegionReplication(Replica.Open(BlobLocation.Parse(reading.Container.ToString()), vault, BlobCredential.FromSas(reading.Sas)), reading.Sas, store, vault, clock)),
            cancel,
            options).ConfigureAwait(false);
    }

    private static ObjectName Parse(string text) => ObjectName.TryParse(text, out var name) ? name : throw new ArgumentException($"\"{text}\" is no store object", nameof(text));

    /// <summary>This process's own rights in a tier's storage.</summary>
    internal BlobCredential CredentialOf(TierName tier) => BlobCredential.OfService(Connect(tier).Service);

    internal static ControlPlaneException Explain(string container, VaultException e) => new(
        e.Fault is VaultFault.Inconsistent or VaultFault.Damaged or VaultFault.NotFound ? ControlPlaneFault.ReplicaUnsafe : e.IsTransient ? ControlPlaneFault.OffsiteUnavailable : ControlPlaneFault.OffsiteRefused,
        $"The replica in {container}: {e.Message.Split('\n')[0]}",
        e.Hint,
        e);

    private static string Describe(ReplicaCheckReport report) => report.IsSound
        ? $"{report.ObjectsTotal} objects are there; {report.ObjectsHashed} of {report.ObjectsNew} new ones were hashed{(report.ObjectsArchived > 0 ? $", {report.ObjectsArchived} lie in the archive" : "")}."
        : $"{report.FaultsTotal} faults: {string.Join("; ", report.Faults)}";

    private static BlobContainerSasPermissions Permissions(ReplicaRights rights) => rights is ReplicaRights.Copy
        ? BlobContainerSasPermissions.Create | BlobContainerSasPermissions.List | BlobContainerSasPermissions.Read
        : BlobContainerSasPermissions.List | BlobContainerSasPermissions.Read;

    private static ControlPlaneException Explain(TierName tier, string container, Exception e)
    {
        var refusal = e as RequestFailedException;
        var isRefused = refusal?.Status is StatusForbidden or StatusUnauthorized or StatusBadRequest || e is AuthenticationFailedException;
        return new ControlPlaneException(
            isRefused ? ControlPlaneFault.OffsiteRefused : ControlPlaneFault.OffsiteUnavailable,
            $"Container {container} of tier {tier} cannot be used ({refusal?.ErrorCode ?? e.GetType().Name}).",
            isRefused ? "Check the tier's settings and the rights of the app's identity." : "Check that the storage answers; the job is tried again.",
            e);
    }

    /// <summary>One client per tier: clients keep connections and tokens.</summary>
    private (BlobServiceClient Service, bool UsesIdentity) Connect(TierName tier) => _clients.GetOrAdd(tier, name =>
    {
        var (connection, service) = ControlPlaneSettings.Offsite(configuration, name);
        return connection is null ? (new BlobServiceClient(service, new DefaultAzureCredential()), true) : (new BlobServiceClient(connection), false);
    });
}
