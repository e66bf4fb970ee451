namespace Backup.Sources.Postgres.Wal;

/// <summary>How receiving stands, told every second or so.</summary>
/// <param name="Timeline">The timeline that is received.</param>
/// <param name="Received">Behind the last byte that came from the server.</param>
/// <param name="Durable">Behind the last byte that is in the vault.</param>
/// <param name="Server">Behind the last byte that the server has on its disk; null while it cannot be asked.</param>
/// <param name="SlotBytes">Log that the server keeps for our slot; null while it cannot be asked.</param>
/// <param name="RestorableAt">Everything committed up to this moment, by this machine's clock, is in the vault. Null until that is known.</param>
/// <param name="Age">How old that moment is: what would be lost if the server vanished now (RPO).</param>
public sealed record WalStatus(uint Timeline, Lsn Received, Lsn Durable, Lsn? Server, long? SlotBytes, DateTimeOffset? RestorableAt, TimeSpan? Age);

/// <summary>Something that a person, or the code that takes base backups, should know. The numbers are not stored.</summary>
public enum WalAlertKind
{
    /// <summary>The server keeps more log for our slot than allowed.</summary>
    SlotBehind,

    /// <summary>We dropped the slot to protect the server's disk.</summary>
    SlotDropped,

    /// <summary>The slot was gone, or the server had invalidated it; a new one was made.</summary>
    SlotRecreated,

    /// <summary>Log that is not in the vault is gone from the server: the chain is broken.</summary>
    WalGap,

    /// <summary>A base backup is needed: no younger one leads into the log that is received now.</summary>
    BaseBackupNeeded,

    /// <summary>The server went on with another timeline: it was promoted, or restored.</summary>
    TimelineSwitched,

    /// <summary>What the server sends is no sound log. It is stored all the same.</summary>
    LogDamaged,

    /// <summary>The vault cannot be written; log waits in memory and on the server.</summary>
    VaultUnavailable,

    /// <summary>It can be written again.</summary>
    VaultAvailable,

    /// <summary>The server cannot be reached.</summary>
    ServerUnavailable,

    /// <summary>It can be reached, and log is received.</summary>
    ServerAvailable,
}

/// <summary>An alert.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Message">One sentence. Never holds a secret.</param>
public sealed record WalAlert(WalAlertKind Kind, string Message);

/// <summary>Hears of a receiver's state. Called from other threads; must return at once.</summary>
public interface IWalObserver
{
    /// <summary>Told every second or so while the server is connected.</summary>
    void Report(WalStatus status);

    /// <summary>Told once per event.</summary>
    void Alert(WalAlert alert);
}
