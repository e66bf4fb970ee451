using Backup.Vault;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres.Wal;

/// <summary>
/// Receives a server's log into the vault for as long as it runs: what is committed is safe after a few seconds. It keeps no state of its own: where
/// to go on is what the vault has and the server's slot keeps.
/// </summary>
/// <param name="clock">Paces everything and stamps snapshots.</param>
public sealed class WalReceiver(TimeProvider clock)
{
    /// <summary>The server is told that we live, and what is durable, at least this often.</summary>
    private static readonly TimeSpan StatusInterval = TimeSpan.FromSeconds(5);

    private const int DropTriesMax = 60;

    private static readonly TimeSpan ReconnectFirst = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan ReconnectMax = TimeSpan.FromSeconds(15);

    /// <summary>Receives until cancelled. Survives restarts, promotions and outages of the server and of the vault.</summary>
    /// <param name="vault">Where to; a backup key is enough.</param>
    /// <param name="request">What.</param>
    /// <param name="observer">Told how it stands.</param>
    /// <param name="cancel">Ends it. What came from the server and is not in the vault yet comes again next time.</param>
    /// <remarks>
    /// For each connection: (1) what the vault has (2) who the server is (3) the slot (4) where to begin (5) is there a base backup that leads
    /// here (6) stream until it ends.
    /// </remarks>
    /// <exception cref="SourcesException">ServerUnsuitable, WrongCluster, or WalMissing when the policy is to stop with a slot too far behind.</exception>
    public async Task RunAsync(OpenVault vault, WalReceiverRequest request, IWalObserver observer, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(vault);
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(observer);
        request.Check();
        var alerts = new AlertDesk(observer);
        var rpo = new RpoClock(clock);
        var startsAnew = false;
        var wait = ReconnectFirst;
        while (true)
        {
            cancel.ThrowIfCancellationRequested();
            try
            {
                var connected = clock.GetTimestamp();
                var end = await ReceiveAsync(vault, request, alerts, rpo, startsAnew, cancel);
                startsAnew = end == StreamEnd.LogRemoved;
                // Only now, with the connection closed: a stream that was left while the buffer was full keeps the slot busy until the server gives it up.
                if (end == StreamEnd.SlotTooFarBehind)
                    await GiveUpSlotAsync(request, alerts, cancel);
                // A stream that lived was no failed attempt.
                if (clock.GetElapsedTime(connected) > ReconnectMax)
                    wait = ReconnectFirst;
            }
            catch (SourcesException failure) when (failure.Fault == SourcesFault.ServerUnavailable)
            {
                alerts.ServerFails(failure);
            }
            catch (VaultException failure) when (failure.IsTransient || failure.Fault is VaultFault.StoreFull or VaultFault.AccessDenied)
            {
                alerts.VaultFails(failure);
                await ProtectServerAsync(request, alerts, cancel);
            }

            await Task.Delay(wait, clock, cancel);
            wait = wait * 2 < ReconnectMax ? wait * 2 : ReconnectMax;
        }
    }

    private async Task<StreamEnd> ReceiveAsync(OpenVault vault, WalReceiverRequest request, AlertDesk alerts, RpoClock rpo, bool startsAnew, CancellationToken cancel)
    {
        var snapshots = await vault.ListSnapshotsAsync(cancel);                                                       // (1)
        var holdings = WalHoldings.Of(request.Asset, snapshots);
        alerts.VaultWorks();
        await using var connection = await WalConnection.OpenAsync(request.ConnectionString, StatusInterval, cancel);
        var server = await connection.IdentifyAsync(cancel);                                                          // (2)
        CheckCluster(holdings, server.Cluster);
        var historyFile = server.Timeline > 1 ? await connection.ReadHistoryAsync(server.Timeline, cancel) : null;
        var history = historyFile is null ? TimelineHistory.First(server.Timeline) : TimelineHistory.Parse(server.Timeline, historyFile);
        var slot = await connection.PrepareSlotAsync(request.SlotName, cancel);                                       // (3)
        if (slot.WasMade && holdings.Snapshots.Count > 0)
            alerts.Tell(WalAlertKind.SlotRecreated, $"The replication slot {request.SlotName} was gone and has been made anew; the server keeps log from {slot.Kept} on.");

        var start = StreamStart.Decide(holdings, history, server.End, slot.Kept, server.Cluster.SegmentBytes, startsAnew);   // (4)
        if (startsAnew)
            alerts.Tell(WalAlertKind.WalGap, $"The server no longer has the log that follows what the vault has of '{request.Asset}'. Receiving goes on at {start.Position}.");
        if (holdings.LatestTimeline > 0 && start.Timeline != holdings.LatestTimeline)
        {
            alerts.Tell(WalAlertKind.TimelineSwitched, $"The server went on with timeline {start.Timeline} at {start.Durable}.");
            rpo.Restart();
        }

        var runSince = start.ContinuesRun ? holdings.Latest!.RunSince : clock.GetUtcNow();
        var runStart = start.ContinuesRun ? holdings.RunStart(runSince) : start.Position;
        if (!snapshots.Any(snapshot => snapshot.Asset == request.Asset && LeadsInto(snapshot, runStart, runSince, history)))     // (5)
            AskForBaseBackup(request.Asset, runSince, startsAnew, alerts);
        alerts.ServerWorks();
        var writer = new WalWriter(vault, request.Asset, server.Cluster, start.Timeline, start.Position, runSince, request.Tags);
        if (start.Timeline > 1 && holdings.Find(WalFileName.HistoryOf(start.Timeline)) is null)
            writer.AddHistory(start.Timeline, start.Timeline == server.Timeline ? historyFile! : await connection.ReadHistoryAsync(start.Timeline, cancel));
        using var streaming = new WalStreaming(connection, request, writer, server.Cluster, start, rpo, alerts, clock);
        return await streaming.RunAsync(cancel);                                                                      // (6)
    }

    private static void CheckCluster(WalHoldings holdings, WalCluster cluster)
    {
        if (holdings.SystemIdentifier is { } known && known != cluster.SystemIdentifier)
        {
            throw new SourcesException(
                SourcesFault.WrongCluster,
                $"The server is cluster {cluster.SystemIdentifier}, but the vault has log of cluster {known} under '{holdings.Asset}'.",
                "Check the connection. A server made anew by initdb needs an asset name of its own.");
        }

        if (holdings.Latest is { } latest && latest.SegmentBytes != cluster.SegmentBytes)
        {
            throw new SourcesException(
                SourcesFault.WrongCluster,
                $"The server's segment size is {cluster.SegmentBytes}, but the vault has log of '{holdings.Asset}' in segments of {latest.SegmentBytes}.",
                "After pg_resetwal --wal-segsize the old log is of no use: give the cluster a new asset name.");
        }
    }

    /// <summary>Whether a snapshot is a base backup whose log continues in the run. Told by positions, not by clocks, which may be set; snapshots made before there was the tag know only their time.</summary>
    private static bool LeadsInto(SnapshotInfo snapshot, Lsn? runStart, DateTimeOffset runSince, TimelineHistory history) =>
        ConsistencyPoint.Find(snapshot) is { } point && runStart is { } start
            ? point.Start >= start && history.EndOf(point.Timeline) is { } end && point.Stop <= end
            : snapshot.SourceKind == PostgresSource.Kind && snapshot.StartedAt >= runSince;

    private static void AskForBaseBackup(string asset, DateTimeOffset runSince, bool isGap, AlertDesk alerts) =>
        alerts.BaseBackupNeeded(runSince, isGap
            ? $"Log of '{asset}' was lost. A new base backup is needed before the log received from now on can be restored."
            : $"No base backup of '{asset}' is as young as the log that is received. One is needed before this log can be restored.");

    /// <summary>Nothing can be received while the vault is away, but the limit on what the server keeps for us holds all the same.</summary>
    private async Task ProtectServerAsync(WalReceiverRequest request, AlertDesk alerts, CancellationToken cancel)
    {
        try
        {
            long behind;
            await using (var connection = await WalConnection.OpenAsync(request.ConnectionString, StatusInterval, cancel))
                behind = (await connection.WatchAsync(request.SlotName, cancel)).SlotBytes ?? 0;
            if (behind <= request.SlotBytesMax)
                return;
            alerts.SlotBehind(request.SlotName, behind, request.SlotBytesMax);
            if (request.WhenSlotBehind != SlotPolicy.AlertOnly)
                await GiveUpSlotAsync(request, alerts, cancel);
        }
        catch (SourcesException failure) when (failure.Fault == SourcesFault.ServerUnavailable)
        {
            alerts.ServerFails(failure);
        }
    }

    private async Task GiveUpSlotAsync(WalReceiverRequest request, AlertDesk alerts, CancellationToken cancel)
    {
        if (request.WhenSlotBehind == SlotPolicy.Stop)
        {
            throw new SourcesException(
                SourcesFault.WalMissing, $"The slot {request.SlotName} is too far behind; receiving has stopped and the slot is left as it is.",
                "Make the vault reachable and start again, or drop the slot to free the server's disk and take a new base backup.");
        }

        await using var connection = await WalConnection.OpenAsync(request.ConnectionString, StatusInterval, cancel);
        for (var tries = 0; !await connection.DropSlotAsync(request.SlotName, cancel); tries++)
        {
            // The server notices the end of our stream by itself.
            if (tries == DropTriesMax)
                throw new SourcesException(SourcesFault.ServerUnavailable, $"The slot {request.SlotName} could not be dropped: another session uses it.", "It is tried again.");
            await Task.Delay(ReconnectFirst, clock, cancel);
        }

        alerts.Tell(WalAlertKind.SlotDropped, $"The replication slot {request.SlotName} was dropped to protect the server's disk.");
    }
}
