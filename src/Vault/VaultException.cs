namespace Backup.Vault;

/// <summary>What went wrong, by what a caller can do about it.</summary>
public enum VaultFault
{
    /// <summary>The store did not answer or failed in passing; the same call may succeed later.</summary>
    StoreUnavailable = 1,

    /// <summary>The store has no room left.</summary>
    StoreFull,

    /// <summary>The store refused: credentials or file permissions.</summary>
    AccessDenied,

    /// <summary>A store object that must exist does not.</summary>
    NotFound,

    /// <summary>The place holds no vault, or holds something else.</summary>
    NotAVault,

    /// <summary>The place already holds a vault.</summary>
    AlreadyExists,

    /// <summary>Stored bytes are not what was written: hash, authentication or structure is wrong.</summary>
    Damaged,

    /// <summary>The object was written by a newer version of this software.</summary>
    NewerFormat,

    /// <summary>The key belongs to another vault, or opens no slot of this one.</summary>
    WrongKey,

    /// <summary>The key is right but its role may not do this (a backup key cannot read content).</summary>
    KeyRole,

    /// <summary>A key file or recovery kit is not well formed.</summary>
    BadKeyFile,

    /// <summary>A destructive operation was refused because what it would rely on does not add up.</summary>
    Inconsistent,

    /// <summary>A writer lived longer than its limit, or what it relied on was pruned meanwhile; its snapshot was not committed.</summary>
    WriterExpired,

    /// <summary>Another process changed the same thing at the same time.</summary>
    Conflict,

    /// <summary>A limit of the format was exceeded (object size, name length, nesting).</summary>
    LimitExceeded,
}

/// <summary>The one exception of the vault engine. Misuse of the API throws <see cref="ArgumentException"/> instead.</summary>
/// <param name="fault">What went wrong.</param>
/// <param name="message">What happened, naming the object concerned; never a secret.</param>
/// <param name="hint">What a person can do about it.</param>
/// <param name="cause">The exception underneath, if any.</param>
public sealed class VaultException(VaultFault fault, string message, string hint, Exception? cause = null)
    : Exception($"{message}\nHint: {hint}", cause)
{
    /// <summary>What went wrong.</summary>
    public VaultFault Fault { get; } = fault;

    /// <summary>What a person can do about it.</summary>
    public string Hint { get; } = hint;

    /// <summary>True when repeating the same call later may succeed without anyone changing anything.</summary>
    public bool IsTransient => Fault is VaultFault.StoreUnavailable or VaultFault.Conflict or VaultFault.WriterExpired;

    internal static VaultException Damaged(string what, string problem, Exception? cause = null) =>
        new(VaultFault.Damaged, $"{what} is damaged: {problem}.", "Run 'vault verify', then 'vault repair' from a replica.", cause);
}
