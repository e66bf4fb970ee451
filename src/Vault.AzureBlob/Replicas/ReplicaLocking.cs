using Azure.Storage.Blobs.Models;
using Backup.Vault.Storage;

namespace Backup.Vault.AzureBlob;

/// <summary>An object of a replica and its lock.</summary>
/// <param name="Name">The store object.</param>
/// <param name="Until">When its time-based policy ends; null for none.</param>
/// <param name="HasLegalHold">It is under legal hold.</param>
public readonly record struct LockedObject(ObjectName Name, DateTimeOffset? Until, bool HasLegalHold);

/// <summary>Immutability of a container as the service says it without rights to manage the account. How long its retention is, it does not say.</summary>
/// <param name="HasVersionLocks">Its blobs can be locked one by one.</param>
/// <param name="HasRetention">It has a retention of its own.</param>
/// <param name="HasLegalHold">All its blobs are under legal hold.</param>
public sealed record ContainerImmutability(bool HasVersionLocks, bool HasRetention, bool HasLegalHold);

/// <summary>
/// Version-level immutability of a replica's blobs: policies and legal holds on each of them. The container must have been made for it. Needs a credential that
/// may set immutability policies, which no grant to an agent does.
/// </summary>
/// <param name="container">The replica's container.</param>
/// <param name="vault">Whose copy.</param>
/// <param name="credential">An account key or an identity with that right.</param>
public sealed class ReplicaLocking(BlobLocation container, VaultId vault, BlobCredential credential)
{
    private const int RequestsAtOnce = 16;

    private readonly AzureBlobObjectStore _replica = Replica.Open(container, vault, credential);

    /// <summary>What immutability the container has.</summary>
    /// <exception cref="VaultException">The store failed or refused.</exception>
    public async Task<ContainerImmutability> ContainerAsync(CancellationToken cancel)
    {
        var container = await _replica.ContainerAsync(cancel).ConfigureAwait(false);
        return new ContainerImmutability(container.HasImmutableStorageWithVersioning, container.HasImmutabilityPolicy ?? false, container.HasLegalHold ?? false);
    }

    /// <summary>Every object and when it was created: from then on a container's retention counts.</summary>
    /// <exception cref="VaultException">The store failed or refused.</exception>
    public async Task<IReadOnlyList<(ObjectName Name, DateTimeOffset CreatedAt)>> ListCreatedAsync(CancellationToken cancel)
    {
        var created = new List<(ObjectName, DateTimeOffset)>();
        foreach (var kind in Replica.Kinds)
        {
            await foreach (var (name, blob) in _replica.ListObjectsAsync(kind, cancel).ConfigureAwait(false))
            {
                created.Add((name, blob.CreatedOn ?? DateTimeOffset.MinValue));
            }
        }

        return created;
    }

    /// <summary>Every object with a lock.</summary>
    /// <exception cref="VaultException">The store failed or refused.</exception>
    public async Task<IReadOnlyList<LockedObject>> ListAsync(CancellationToken cancel)
    {
        var locked = new List<LockedObject>();
        foreach (var kind in Replica.Kinds)
        {
            await foreach (var (name, blob) in _replica.ListObjectsAsync(kind, BlobTraits.ImmutabilityPolicy | BlobTraits.LegalHold, cancel).ConfigureAwait(false))
            {
                if (blob.ImmutabilityPolicy?.ExpiresOn is not null || blob.HasLegalHold)
                {
                    locked.Add(new LockedObject(name, blob.ImmutabilityPolicy?.ExpiresOn, blob.HasLegalHold));
                }
            }
        }

        return locked;
    }

    /// <summary>Sets or extends policies. The service refuses to shorten one that is locked. Objects that are gone are passed over.</summary>
    /// <param name="objects">What to lock until when.</param>
    /// <param name="isFinal">Locked policies: nobody can shorten or delete them. Otherwise whoever has the right can.</param>
    /// <param name="cancel">Gives up.</param>
    /// <returns>How many policies were set or extended.</returns>
    /// <exception cref="VaultException">The store failed or refused.</exception>
    public Task<int> ExtendAsync(IEnumerable<(ObjectName Name, DateTimeOffset Until)> objects, bool isFinal, CancellationToken cancel) => EachAsync(
        objects,
        "lock",
        item => item.Name,
        (blob, item, stop) => blob.SetImmutabilityPolicyAsync(
            new BlobImmutabilityPolicy { ExpiresOn = item.Until, PolicyMode = isFinal ? BlobImmutabilityPolicyMode.Locked : BlobImmutabilityPolicyMode.Unlocked }, cancellationToken: stop),
        cancel);

    /// <summary>Sets or lifts legal holds. Objects that are gone are passed over.</summary>
    /// <returns>How many were set or lifted.</returns>
    /// <exception cref="VaultException">The store failed or refused.</exception>
    public Task<int> HoldAsync(IEnumerable<ObjectName> objects, bool isHeld, CancellationToken cancel) => EachAsync(
        objects, isHeld ? "hold" : "release", name => name, (blob, _, stop) => blob.SetLegalHoldAsync(isHeld, stop), cancel);

    private async Task<int> EachAsync<T>(IEnumerable<T> items, string verb, Func<T, ObjectName> nameOf, Func<Azure.Storage.Blobs.BlobClient, T, CancellationToken, Task> change, CancellationToken cancel)
    {
        var changed = 0;
        await Parallel.ForEachAsync(items, new ParallelOptions { MaxDegreeOfParallelism = RequestsAtOnce, CancellationToken = cancel }, async (item, stop) =>
        {
            var name = nameOf(item);
            await AzureBlobObjectStore.GuardAsync(
                name.ToString(),
                verb,
                async () =>
                {
                    try
                    {
                        await change(_replica.ClientOf(name), item, stop).ConfigureAwait(false);
                        return Interlocked.Increment(ref changed);
                    }
                    catch (Azure.RequestFailedException e) when (e.Status == 404 && e.ErrorCode == BlobErrorCode.BlobNotFound)
                    {
                        return 0;
                    }
                },
                stop).ConfigureAwait(false);
        }).ConfigureAwait(false);
        return changed;
    }
}
