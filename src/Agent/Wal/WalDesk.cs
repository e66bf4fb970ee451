using Backup.Sources.Postgres.Wal;
using Microsoft.Extensions.Logging;

namespace Backup.Agent.Wal;

/// <summary>
/// Hears one receiver: keeps the RPO board current, and writes what happens into the agent's log, how old the newest restorable moment is once a minute.
/// </summary>
internal sealed class WalDesk(string asset, RpoBoard board, TimeProvider time, ILogger log) : IWalObserver, IDisposable
{
    private static readonly TimeSpan StatusInterval = TimeSpan.FromMinutes(1);

    private long? _statusTold;

    /// <summary>Released once for every base backup that is needed.</summary>
    internal SemaphoreSlim BaseBackupNeeded { get; } = new(0);

    public void Report(WalStatus status)
    {
        board.Take(asset, status);
        if (_statusTold is { } told && time.GetElapsedTime(told) < StatusInterval)
        {
            return;
        }

        _statusTold = time.GetTimestamp();
        WalReceivingLog.Status(log, asset, status.Age?.TotalSeconds, status.Durable.ToString(), status.SlotBytes);
    }

    public void Alert(WalAlert alert)
    {
        var level = alert.Kind is WalAlertKind.VaultAvailable or WalAlertKind.ServerAvailable or WalAlertKind.TimelineSwitched ? LogLevel.Information : LogLevel.Warning;
        WalReceivingLog.Alert(log, level, asset, alert.Kind, alert.Message);
        switch (alert.Kind)
        {
            case WalAlertKind.BaseBackupNeeded:
                board.LacksBaseBackup(asset, lacks: true);
                BaseBackupNeeded.Release();
                break;
            case WalAlertKind.VaultUnavailable or WalAlertKind.ServerUnavailable or WalAlertKind.SlotBehind:
                board.SetProblem(asset, alert.Message);
                break;
            case WalAlertKind.VaultAvailable or WalAlertKind.ServerAvailable:
                board.SetProblem(asset, null);
                break;
        }
    }

    public void Dispose() => BaseBackupNeeded.Dispose();
}

/// <summary>What happens to received log. Events 4300 to 4399.</summary>
internal static partial class WalReceivingLog
{
    [LoggerMessage(EventId = 4301, Message = "Log of '{Asset}': {Kind}: {Reason}")]
    internal static partial void Alert(ILogger logger, LogLevel level, string asset, WalAlertKind kind, string reason);

    [LoggerMessage(4302, LogLevel.Information, "Log of '{Asset}': the newest restorable moment is {AgeSeconds} s old; durable up to {Durable}, the server keeps {SlotBytes} bytes for us")]
    internal static partial void Status(ILogger logger, string asset, double? ageSeconds, string durable, long? slotBytes);

    [LoggerMessage(4303, LogLevel.Error, "Log of '{Asset}' is not received; next try in {Seconds} s: {Reason}")]
    internal static partial void Stopped(ILogger logger, string asset, double seconds, string reason, Exception? unexpected);

    [LoggerMessage(4304, LogLevel.Information, "Log of '{Asset}': base backup {SnapshotId} taken")]
    internal static partial void BaseBackupTaken(ILogger logger, string asset, string snapshotId);

    [LoggerMessage(4305, LogLevel.Error, "Log of '{Asset}': the base backup it needs failed; next try in {Seconds} s: {Reason}")]
    internal static partial void BaseBackupFailed(ILogger logger, string asset, double seconds, string reason, Exception? unexpected);
}
