using System.Globalization;
using Backup.LocalStack.Comparison;
using Backup.LocalStack.Progress;
using Backup.LocalStack.SampleData;
using Backup.LocalStack.Services;

namespace Backup.LocalStack.Run;

/// <summary>Restores the sample database to a moment after its backup: what was committed in between comes from the received log.</summary>
/// <remarks>
/// (1) let the application commit (2) wait until the RPO clock says that the moment is safe (3) restore to it, with a proof (4) start what came back, and
/// ask it for the newest observation. There is one writer, so which ones there must be is known to the transaction.
/// </remarks>
internal sealed class PointInTimeRestore(Stack stack, ControlPlane control, ObservationWriter writer, TimeProvider time)
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan SafeLimit = TimeSpan.FromMinutes(1);

    /// <summary>Runs it. Call it when the backup has ended.</summary>
    public async Task<RestoreResult> RunAsync(ProtectedAsset asset, Step step, CancellationToken cancel)
    {
        const string From = "the vault, with log";
        var asked = time.GetTimestamp();
        var backedUp = writer.CommittedCount;
        while (writer.CommittedCount == backedUp)                                                                        // (1)
        {
            if (writer.Writing.IsFaulted)
            {
                await writer.Writing.ConfigureAwait(false);
            }

            await Task.Delay(PollInterval, time, cancel).ConfigureAwait(false);
        }

        var committed = writer.CommittedCount;
        var moment = time.GetUtcNow();
        step.Say("waiting for its log");
        if (!await IsSafeAsync(asset, moment, cancel).ConfigureAwait(false))                                              // (2)
        {
            return Failed($"the RPO clock of {asset.Name} did not pass {moment:HH:mm:ss.fff} within {SafeLimit.TotalSeconds:0} s");
        }

        var folder = Path.Combine(stack.Folders.Restores, $"{asset.Name}-point-in-time");
        await RemoveTree.IfExistsAsync(folder, cancel).ConfigureAwait(false);
        Directory.CreateDirectory(folder);
        // The restored cluster will belong to whom the folder belongs to.
        stack.SampleDatabase.Account?.TakeOwnership(folder);
        asked = time.GetTimestamp();
        var restore = await control.RestoreToEndAsync(
            new RestoreWish(asset.Name, Path.Combine(folder, "data"), RecoverTo: moment.ToString("O", CultureInfo.InvariantCulture), Prove: true), step.Say, cancel).ConfigureAwait(false);   // (3)
        var duration = time.GetElapsedTime(asked);
        if (restore.State != "succeeded")
        {
            return Failed($"the restore {restore.State}: {restore.Reason?.Text}");
        }

        step.Say("looking for the newest commit");
        var newest = await NewestObservationAsync(folder, cancel).ConfigureAwait(false);                                  // (4)
        // The transaction that was just ending at the moment may be in or not.
        return newest == committed || newest == committed + ObservationWriter.RowsPerTransaction
            ? new RestoreResult(From, duration, new RestoreVerdict(string.Create(
                CultureInfo.InvariantCulture, $"as of {moment:HH:mm:ss.fff}: {newest:N0} observations, {newest - backedUp} committed after the backup; {RestoreVerdict.OfProof(restore).Proof}"), []))
            : Failed($"the newest observation as of {moment:HH:mm:ss.fff} is {committed}, and {newest} came back");

        RestoreResult Failed(string why) => new(From, time.GetElapsedTime(asked), new RestoreVerdict("nothing", [why]));
    }

    private async Task<bool> IsSafeAsync(ProtectedAsset asset, DateTimeOffset moment, CancellationToken cancel)
    {
        var began = time.GetTimestamp();
        while ((await control.AssetAsync(asset.Name, cancel).ConfigureAwait(false)).Rpo is not { RestorableAt: { } at } || at < moment)
        {
            if (time.GetElapsedTime(began) > SafeLimit)
            {
                return false;
            }

            await Task.Delay(PollInterval, time, cancel).ConfigureAwait(false);
        }

        return true;
    }

    private async Task<long> NewestObservationAsync(string folder, CancellationToken cancel)
    {
        File.Copy(Path.Combine(stack.Folders.SamplePostgres, PostgresServer.PasswordFileName), Path.Combine(folder, PostgresServer.PasswordFileName));
        var server = await PostgresServer.StartAsync(stack.Packages, new PostgresOptions("restored PostgreSQL", folder), cancel).ConfigureAwait(false);
        await using (server.ConfigureAwait(false))
        {
            return await ObservationWriter.NewestAsync(server.ConnectionString(VoidCatalogue.Database), cancel).ConfigureAwait(false);
        }
    }
}
