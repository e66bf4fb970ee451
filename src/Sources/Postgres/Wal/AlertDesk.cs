using Backup.Vault;

namespace Backup.Sources.Postgres.Wal;

/// <summary>Tells each change once, however often it is noticed.</summary>
internal sealed class AlertDesk(IWalObserver observer)
{
    private readonly Lock _lock = new();
    private bool _isVaultDown, _isServerDown, _isSlotBehind;
    private DateTimeOffset? _baseBackupAskedFor;

    internal void Tell(WalAlertKind kind, string message) => observer.Alert(new WalAlert(kind, message));

    internal void Report(WalStatus status) => observer.Report(status);

    internal void VaultFails(VaultException failure)
    {
        if (Changes(ref _isVaultDown, true))
            Tell(WalAlertKind.VaultUnavailable, $"Log cannot be stored: {Sentence(failure)}");
    }

    internal void VaultWorks()
    {
        if (Changes(ref _isVaultDown, false))
            Tell(WalAlertKind.VaultAvailable, "Log is stored again.");
    }

    internal void ServerFails(SourcesException failure)
    {
        if (Changes(ref _isServerDown, true))
            Tell(WalAlertKind.ServerUnavailable, Sentence(failure));
    }

    internal void ServerWorks()
    {
        if (Changes(ref _isServerDown, false))
            Tell(WalAlertKind.ServerAvailable, "The server is connected again.");
    }

    internal void SlotBehind(string slot, long behindBytes, long allowedBytes)
    {
        if (Changes(ref _isSlotBehind, true))
            Tell(WalAlertKind.SlotBehind, $"The server keeps {behindBytes} bytes of log for the slot {slot}, more than the {allowedBytes} allowed.");
    }

    internal void SlotKeepsUp() => Changes(ref _isSlotBehind, false);

    /// <summary>Once for each run of log.</summary>
    internal void BaseBackupNeeded(DateTimeOffset runSince, string why)
    {
        lock (_lock)
        {
            if (_baseBackupAskedFor == runSince)
                return;
            _baseBackupAskedFor = runSince;
        }

        Tell(WalAlertKind.BaseBackupNeeded, why);
    }

    /// <summary>What failed, without the hint that follows on a line of its own.</summary>
    private static string Sentence(Exception failure) => failure.Message.Split('\n')[0];

    private bool Changes(ref bool state, bool to)
    {
        lock (_lock)
        {
            var changes = state != to;
            state = to;
            return changes;
        }
    }
}
