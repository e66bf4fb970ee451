namespace Backup.Catalog;

/// <summary>Why the catalog could not do what was asked.</summary>
public enum CatalogFault
{
    /// <summary>The database cannot be reached or gave up for now.</summary>
    Unavailable,

    /// <summary>The database refused a statement: missing rights, or a fault in this program.</summary>
    Refused,

    /// <summary>The database was written by a newer release.</summary>
    SchemaNewer,

    /// <summary>A migration that was applied differs from the one in this release.</summary>
    SchemaChanged,

    /// <summary>No such run, restore or recovery point.</summary>
    NotFound,

    /// <summary>The state machine does not allow the change.</summary>
    NotAllowed,

    /// <summary>A receipt does not belong to its run, so no recovery point follows from it.</summary>
    ReceiptRefused,

    /// <summary>A continuation token was not made by this catalog.</summary>
    BadCursor,

    /// <summary>A row of the audit trail was changed or removed.</summary>
    AuditBroken,
}

/// <summary>The only exception this project throws for what happens outside it; misuse is an <see cref="ArgumentException"/>.</summary>
/// <param name="fault">What kind of failure.</param>
/// <param name="message">What happened.</param>
/// <param name="hint">What to do about it.</param>
/// <param name="cause">The underlying failure.</param>
public sealed class CatalogException(CatalogFault fault, string message, string hint, Exception? cause = null)
    : Exception($"{message}\nHint: {hint}", cause)
{
    /// <summary>What kind of failure.</summary>
    public CatalogFault Fault { get; } = fault;

    /// <summary>What to do about it.</summary>
    public string Hint { get; } = hint;

    /// <summary>True when the same call may succeed later without anybody changing anything.</summary>
    public bool IsTransient => Fault is CatalogFault.Unavailable;
}
