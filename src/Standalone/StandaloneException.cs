namespace Backup.Standalone;

/// <summary>What went wrong in the standalone host.</summary>
public enum StandaloneFault
{
    /// <summary>A setting is missing or has a bad value.</summary>
    Configuration,

    /// <summary>The database's schema is newer than this program knows.</summary>
    SchemaTooNew,

    /// <summary>PostgreSQL cannot be reached or dropped the connection.</summary>
    StoreUnavailable,

    /// <summary>The functions of the app contradict each other or cannot be served.</summary>
    FunctionDefinition,

    /// <summary>A stored value cannot be understood.</summary>
    StoredData,
}

/// <summary>A failure of the standalone host, with a hint about what to do.</summary>
/// <param name="fault">What went wrong.</param>
/// <param name="message">What happened, in one sentence.</param>
/// <param name="hint">What to do about it.</param>
/// <param name="cause">The exception behind it, when there is one.</param>
public sealed class StandaloneException(StandaloneFault fault, string message, string hint, Exception? cause = null)
    : Exception($"{message}\nHint: {hint}", cause)
{
    /// <summary>What went wrong.</summary>
    public StandaloneFault Fault { get; } = fault;

    /// <summary>Whether trying again later may help.</summary>
    public bool IsTransient => Fault is StandaloneFault.StoreUnavailable;
}
