using Backup.Catalog.Immutability;
using Backup.Catalog.Retention;
using Backup.Functions.Agents;
using Backup.Functions.Replication;
using Backup.Policy;
using Backup.Policy.Immutability;
using Backup.Vault;
using Backup.Vault.AzureBlob;
using Backup.Vault.Storage;

namespace Backup.Functions.Immutability;

/// <summary>
/// Blob storage's version-level immutability, where the container has it: time-based policies and legal holds on each blob, with the app's own rights. Azurite has
/// none; for storage on this machine the locks are kept in the catalog instead (<see cref="LockKind.Emulated"/>), and this app's own removals heed them. In a tier whose
/// scope is the container, the container's retention and legal hold count for every object in it.
/// </summary>
/// <param name="offsite">Knows how to reach storage.</param>
/// <param name="emulated">Keeps the locks of emulators.</param>
/// <param name="policy">Knows each tier's scope, and the retention of its container, which the storage does not tell.</param>
public sealed class AzureImmutability(AzureOffsiteStore offsite, LockStore emulated, PolicyDocument policy) : IImmutability
{
    /// <inheritdoc/>
    public Task<LockKind> KindOfAsync(ReplicaPlaceId place, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(place);
        return place.Container.IsLoopback
            ? Task.FromResult(LockKind.Emulated)
            : WithLocksAsync(place, async locks => (await locks.ContainerAsync(cancel).ConfigureAwait(false), IsOfContainer(place)) switch
            {
                ({ HasRetention: true }, true) => LockKind.Container,
                ({ HasVersionLocks: true }, false) => LockKind.Version,
                _ => LockKind.None,
            });
    }

    /// <inheritdoc/>
    public async Task RequireContainerAsync(ReplicaPlaceId place, TimeSpan retention, bool isHeld, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(place);
        if (place.Container.IsLoopback)
        {
            await emulated.CoverEmulatedContainerAsync(place.Container, retention, isHeld, cancel).ConfigureAwait(false);
            return;
        }

        var found = await WithLocksAsync(place, locks => locks.ContainerAsync(cancel)).ConfigureAwait(false);
        var name = ReplicaPlace.ContainerOf(place.Container);
        if (!found.HasRetention || (isHeld && !found.HasLegalHold))
        {
            throw new ControlPlaneException(
                ControlPlaneFault.OffsiteRefused,
                $"Container {name} of tier {place.Tier} has no {(found.HasRetention ? "legal hold" : "retention of its own")}.",
                found.HasRetention
                    ? $"Whoever manages the account sets it: az storage container legal-hold set --container-name {name} --tags backup …"
                    : FormattableString.Invariant($"Whoever manages the account sets it: az storage container immutability-policy create --container-name {name} --period {Math.Ceiling(retention.TotalDays)} …"));
        }
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyDictionary<string, ObjectLock>> ListAsync(ReplicaPlaceId place, CancellationToken cancel) => await KindOfAsync(place, cancel).ConfigureAwait(false) switch
    {
        LockKind.Emulated or LockKind.Container when IsOfContainer(place) => await ListOfContainerAsync(place, cancel).ConfigureAwait(false),
        LockKind.Emulated => await emulated.EmulatedAsync(place, cancel).ConfigureAwait(false),
        LockKind.Version => await WithLocksAsync(place, async locks => (await locks.ListAsync(cancel).ConfigureAwait(false)).ToDictionary(
            l => l.Name.ToString(), l => new ObjectLock(l.Until, l.HasLegalHold), StringComparer.Ordinal)).ConfigureAwait(false),
        _ => new Dictionary<string, ObjectLock>(),
    };

    /// <inheritdoc/>
    public Task<int> ExtendAsync(ReplicaPlaceId place, IReadOnlyList<LockExtension> extensions, bool isFinal, CancellationToken cancel) => ChangeAsync(
        place,
        () => emulated.ExtendEmulatedAsync(place, extensions, cancel),
        locks => locks.ExtendAsync(extensions.Select(e => (Parse(e.Name), e.Until)), isFinal, cancel),
        cancel);

    /// <inheritdoc/>
    public Task<int> HoldAsync(ReplicaPlaceId place, IReadOnlyList<string> objects, bool isHeld, CancellationToken cancel) => ChangeAsync(
        place,
        () => emulated.HoldEmulatedAsync(place, objects, isHeld, cancel),
        locks => locks.HoldAsync(objects.Select(Parse), isHeld, cancel),
        cancel);

    private bool IsOfContainer(ReplicaPlaceId place) => policy.FindTier(place.Tier)?.Immutable?.Scope is LockScope.Container;

    private async Task<IReadOnlyDictionary<string, ObjectLock>> ListOfContainerAsync(ReplicaPlaceId place, CancellationToken cancel)
    {
        var known = place.Container.IsLoopback ? await emulated.EmulatedContainerAsync(place.Container, cancel).ConfigureAwait(false) : ((TimeSpan Retention, bool IsHeld)?)null;
        return await WithLocksAsync(place, async locks =>
        {
            var (retention, isHeld) = known ?? (policy.FindTier(place.Tier)!.Immutable!.LockFor, (await locks.ContainerAsync(cancel).ConfigureAwait(false)).HasLegalHold);
            return (await locks.ListCreatedAsync(cancel).ConfigureAwait(false)).ToDictionary(o => o.Name.ToString(), o => new ObjectLock(o.CreatedAt + retention, isHeld), StringComparer.Ordinal);
        }).ConfigureAwait(false);
    }

    private static ObjectName Parse(string text) => ObjectName.TryParse(text, out var name) ? name : throw new ArgumentException($"\"{text}\" is no store object", nameof(text));

    private async Task<int> ChangeAsync(ReplicaPlaceId place, Func<Task<int>> emulate, Func<ReplicaLocking, Task<int>> change, CancellationToken cancel) =>
        await KindOfAsync(place, cancel).ConfigureAwait(false) switch
        {
            LockKind.Emulated => await emulate().ConfigureAwait(false),
            LockKind.Version => await WithLocksAsync(place, change).ConfigureAwait(false),
            _ => throw new ControlPlaneException(
                ControlPlaneFault.OffsiteRefused, $"Container {ReplicaPlace.ContainerOf(place.Container)} of tier {place.Tier} has no version-level immutability.",
                "Make the container with version-level immutability support, or take \"immutable\" out of the tier."),
        };

    private async Task<T> WithLocksAsync<T>(ReplicaPlaceId place, Func<ReplicaLocking, Task<T>> work)
    {
        if (!VaultId.TryParse(place.VaultId, out var vault))
        {
            throw new ControlPlaneException(ControlPlaneFault.ReplicaUnsafe, $"\"{place.VaultId}\" is no vault id.", "Check the catalog.");
        }

        try
        {
            return await work(new ReplicaLocking(BlobLocation.Parse(place.Container.ToString()), vault, offsite.CredentialOf(place.Tier))).ConfigureAwait(false);
        }
        catch (VaultException e)
        {
            throw AzureOffsiteStore.Explain(ReplicaPlace.ContainerOf(place.Container), e);
        }
    }
}
