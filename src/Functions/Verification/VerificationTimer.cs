using Backup.Catalog;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Verifications;

/// <summary>
/// Has every replica verified each hour: all of it by listing, and one part by reading, so that within the policy's days every object is read; and every vault
/// once a day, by its caretaker, as deeply as that agent's keys allow.
/// </summary>
/// <param name="starter">Starts them.</param>
/// <param name="logger">Hears of hours without a catalog.</param>
public sealed class VerificationTimer(VerificationStarter starter, ILogger<VerificationTimer> logger)
{
    /// <summary>Runs once an hour. Safe to repeat: a verification under way goes on as it is.</summary>
    [Function(nameof(VerificationTimer))]
    public async Task RunAsync([TimerTrigger("0 23 * * * *")] TimerInfo timer, [DurableClient] DurableTaskClient client, CancellationToken cancel)
    {
        try
        {
            await starter.StartReplicasAsync(client, _ => true, cancel).ConfigureAwait(false);
            await starter.StartVaultsAsync(client, place => place.IsDue, cancel).ConfigureAwait(false);
        }
        catch (CatalogException e) when (e.IsTransient)
        {
            Log.VerificationSkipped(logger, e.Message.Split('\n')[0]);
        }
    }
}
