using Backup.Catalog;
using Backup.Catalog.Archive;
using Backup.Functions.Backups;
using Backup.Policy;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Archive;

/// <summary>Removes copies of archived packs that have been kept long enough, and ends archive restores whose orchestration is gone.</summary>
/// <param name="policy">How long copies are kept.</param>
/// <param name="tier">The storage.</param>
/// <param name="archive">What there is.</param>
/// <param name="clock">The control plane's.</param>
/// <param name="logger">Hears of hours without a catalog or storage.</param>
public sealed class ArchiveTimer(PolicyDocument policy, IArchiveTier tier, ArchiveStore archive, TimeProvider clock, ILogger<ArchiveTimer> logger)
{
    /// <summary>Runs once an hour. Safe to repeat.</summary>
    [Function(nameof(ArchiveTimer))]
    public async Task RunAsync([TimerTrigger("0 53 * * * *")] TimerInfo timer, [DurableClient] DurableTaskClient client, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(client);
        try
        {
            // A start is noted before its orchestration is there: what has just been noted is left alone.
            foreach (var restore in await archive.ListQuietAsync(clock.GetUtcNow() - RunReconciliation.AgeMin, cancel).ConfigureAwait(false))
            {
                if (await client.GetInstanceAsync(restore.Id.Value, cancel).ConfigureAwait(false) is null or { IsCompleted: true })
                {
                    await archive.EndAsync(
                        restore.Id, ArchiveState.Failed, "Its orchestration ended without closing it.", clock.GetUtcNow() + policy.Archive.KeepCopies, "schedule", cancel).ConfigureAwait(false);
                }
            }

            foreach (var copies in await archive.ListReleasableAsync(cancel).ConfigureAwait(false))
            {
                await ReleaseAsync(copies, cancel).ConfigureAwait(false);
            }
        }
        catch (CatalogException e) when (e.IsTransient)
        {
            // Nothing is lost but an hour's price of the copies.
            Log.ArchiveSkipped(logger, e.Message.Split('\n')[0]);
        }
    }

    private async Task ReleaseAsync(ReleasableCopies copies, CancellationToken cancel)
    {
        try
        {
            foreach (var (place, packs) in copies.Copies)
            {
                await tier.RemoveCopiesAsync(ArchivePlace.At(place), packs, cancel).ConfigureAwait(false);
            }

            await archive.MarkReleasedAsync(copies.Restore, copies.Copies.Sum(c => c.Packs.Count), cancel).ConfigureAwait(false);
        }
        catch (ControlPlaneException e)
        {
            // A tier that left the settings refuses for ever: it must not keep the copies of all others, which are paid for.
            Log.ArchiveSkipped(logger, e.Message.Split('\n')[0]);
        }
    }
}
