using Backup.Agent.Settings;
using Backup.Agent.Vaults;
using Backup.Agent.Work;
using Backup.Sources;
using Backup.Sources.Postgres;
using Backup.Sources.Postgres.Wal;
using Backup.Vault;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Backup.Agent.Wal;

/// <summary>Receives the log of every PostgreSQL server that the configuration says so of, as long as the agent runs.</summary>
/// <remarks>
/// When a base backup is needed that leads into the log (at the start, and after a gap), it is taken at once, without an order; unless an ordered one is
/// being made, which then does.
/// </remarks>
internal sealed class WalReceiving(AgentSettings settings, VaultShelf vaults, RpoBoard board, ClusterTurns turns, StateFolder state, TimeProvider time, ILogger<WalReceiving> log) : BackgroundService
{
    /// <summary>The wait after what only a person can mend, or a stop by policy.</summary>
    internal static readonly TimeSpan RetryDelay = TimeSpan.FromMinutes(1);

    /// <summary>The tag of base backups that no order asked for.</summary>
    internal const string ReasonTag = "reason";

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(settings.WalReceivers.Select(one => Task.Run(() => ReceiveAsync(one, stoppingToken), CancellationToken.None)));

    private async Task ReceiveAsync(WalSettings one, CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await RunAsync(one, stopping).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // Whatever it is: nobody would notice that this one log is no longer received, as long as others are.
                WalReceivingLog.Stopped(log, one.Asset, RetryDelay.TotalSeconds, e.Message, IsExpected(e) ? null : e);
                board.SetProblem(one.Asset, e.Message.Split('\n')[0]);
                await Task.Delay(RetryDelay, time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task RunAsync(WalSettings one, CancellationToken stopping)
    {
        var vault = await vaults.OpenForBackupAsync(one.Vault, stopping).ConfigureAwait(false);
        var request = new WalReceiverRequest
        {
            Asset = one.Asset,
            ConnectionString = (await File.ReadAllTextAsync(settings.ConnectionStringFiles[one.Connection], stopping).ConfigureAwait(false)).Trim(),
            Slot = one.Slot,
            DurableWithin = TimeSpan.FromSeconds(one.DurableWithinSeconds),
            SlotBytesMax = (long)one.SlotMebibytesMax << 20,
            WhenSlotBehind = one.WhenSlotBehind,
            Tags = new Dictionary<string, string> { [AgentFacts.HostTag] = Environment.MachineName },
        };
        using var desk = new WalDesk(one.Asset, board, time, log);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var backups = BackUpAsync(vault, request, desk, stop.Token);
        try
        {
            await new WalReceiver(time).RunAsync(vault, request, desk, stopping).ConfigureAwait(false);
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await backups.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task BackUpAsync(OpenVault vault, WalReceiverRequest request, WalDesk desk, CancellationToken stop)
    {
        while (true)
        {
            await desk.BaseBackupNeeded.WaitAsync(stop).ConfigureAwait(false);
            var neededSince = time.GetUtcNow();
            try
            {
                using var turn = await turns.TakeAsync(request.Asset, stop).ConfigureAwait(false);
                var snapshots = await vault.ListSnapshotsAsync(stop).ConfigureAwait(false);
                if (snapshots.Any(s => s.Asset == request.Asset && s.SourceKind == PostgresSource.Kind && s.StartedAt >= neededSince))
                {
                    board.LacksBaseBackup(request.Asset, lacks: false);
                    continue;
                }

                var backup = new PostgresBackupRequest
                {
                    Asset = request.Asset,
                    ConnectionString = request.ConnectionString,
                    CacheFolder = state.CacheFolder,
                    Tags = new Dictionary<string, string>(request.Tags) { [ReasonTag] = "log-needs-base-backup" },
                };
                var outcome = await new PostgresSource(time).BackupAsync(vault, backup, null, null, stop).ConfigureAwait(false);
                board.LacksBaseBackup(request.Asset, lacks: false);
                WalReceivingLog.BaseBackupTaken(log, request.Asset, outcome.SnapshotId.ToString());
            }
            catch (Exception e) when (!stop.IsCancellationRequested)
            {
                // Not given up, whatever it is: without it all this log restores nothing.
                WalReceivingLog.BaseBackupFailed(log, request.Asset, RetryDelay.TotalSeconds, e.Message, IsExpected(e) ? null : e);
                await Task.Delay(RetryDelay, time, stop).ConfigureAwait(false);
                desk.BaseBackupNeeded.Release();
            }
        }
    }

    private static bool IsExpected(Exception e) => e is SourcesException or VaultException or AgentException or IOException or UnauthorizedAccessException;
}
