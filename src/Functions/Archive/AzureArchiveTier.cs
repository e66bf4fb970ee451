using Backup.Functions.Replication;
using Backup.Policy.Archive;
using Backup.Vault;
using Backup.Vault.AzureBlob;
using Backup.Vault.Storage;

namespace Backup.Functions.Archive;

/// <summary>Blob storage's archive tier, with the app's own rights: no agent can have anything rehydrated.</summary>
/// <param name="offsite">Knows how to reach it.</param>
public sealed class AzureArchiveTier(AzureOffsiteStore offsite) : IArchiveTier
{
    /// <inheritdoc/>
    public Task<IReadOnlyDictionary<string, ArchivedPackState>> LookAsync(ArchivePlace place, CancellationToken cancel) => WithCopiesAsync<IReadOnlyDictionary<string, ArchivedPackState>>(
        place,
        async copies => (await copies.ListAsync(cancel).ConfigureAwait(false)).Values.ToDictionary(p => p.Name.ToString(), p => new ArchivedPackState(p.Length, PresenceOf(p.Presence)), StringComparer.Ordinal));

    /// <inheritdoc/>
    public Task RequestAsync(ArchivePlace place, IReadOnlyList<string> packs, RehydrationPriority priority, CancellationToken cancel) => WithCopiesAsync(
        place,
        async copies =>
        {
            await copies.RequestAsync(Parse(packs), priority is RehydrationPriority.High, cancel).ConfigureAwait(false);
            return true;
        });

    /// <inheritdoc/>
    public Task RemoveCopiesAsync(ArchivePlace place, IReadOnlyList<string> packs, CancellationToken cancel) => WithCopiesAsync(
        place,
        async copies =>
        {
            await copies.RemoveAsync(Parse(packs), cancel).ConfigureAwait(false);
            return true;
        });

    private static ArchivePresence PresenceOf(PackPresence presence) => presence switch
    {
        PackPresence.Online => ArchivePresence.Online,
        PackPresence.Rehydrating => ArchivePresence.Rehydrating,
        _ => ArchivePresence.Archived,
    };

    // Whatever is no data pack's name is none that a survey of ours found.
    private static IEnumerable<ObjectName> Parse(IReadOnlyList<string> packs) =>
        packs.Select(text => ObjectName.TryParse(text, out var name) ? name : (ObjectName?)null).OfType<ObjectName>().Where(name => name.Kind is ObjectKind.DataPack);

    private async Task<T> WithCopiesAsync<T>(ArchivePlace place, Func<RehydratedCopies, Task<T>> work)
    {
        if (!VaultId.TryParse(place.VaultId, out var vault))
        {
            throw new ControlPlaneException(ControlPlaneFault.ReplicaUnsafe, $"\"{place.VaultId}\" is no vault id.", "Check the catalog.");
        }

        try
        {
            var container = BlobLocation.Parse(offsite.AddressOf(place.Tier, place.Container).ToString());
            return await work(new RehydratedCopies(container, vault, offsite.CredentialOf(place.Tier))).ConfigureAwait(false);
        }
        catch (VaultException e)
        {
            throw AzureOffsiteStore.Explain(place.Container, e);
        }
    }
}
