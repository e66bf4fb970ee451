using Backup.Catalog.Immutability;
using Backup.Catalog.Retention;
using Backup.Functions.Agents;
using Backup.Functions.Replication;
using Backup.Policy.Immutability;
using Backup.Vault;
using Backup.Vault.AzureBlob;
using Backup.Vault.Storage;

namespace Backup.Functions.Immutability;

/// <summary>
/// Blob storage's version-level immutability, where the container has it: time-based policies and legal holds on each blob, with the app's own rights. Azurite has
/// none; for storage on this machine the locks are kept in the catalog instead (<see cref="LockKind.Emulated"/>), and this app's own removals heed them.
/// </summary>
/// <param name="offsite">Knows how to reach storage.</param>
/// <param name="emulated">Keeps the locks of emulators.</param>
public sealed class AzureImmutability(AzureOffsiteStore offsite, LockStore emulated) : IImmutability
{
    /// <inheritdoc/>
    public Task<LockKind> KindOfAsync(ReplicaPlaceId place, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(place);
        return place.Container.IsLoopback
            ? Task.FromResult(LockKind.Emulated)
            : WithLocksAsync(place, async locks => await locks.IsSupportedAsync(cancel).ConfigureAwait(false) ? LockKind.Version : LockKind.None);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyDictionary<string, ObjectLock>> ListAsync(ReplicaPlaceId place, CancellationToken cancel) => await KindOfAsync(place, cancel).ConfigureAwait(false) switch
    {
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
