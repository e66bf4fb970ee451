namespace Backup.Cli;

/// <summary>What is wrong with a request that reads well as a command line.</summary>
public enum CliFault
{
    /// <summary>No key was named by option or environment.</summary>
    KeyMissing,

    /// <summary>No snapshot fits what was asked for, or several do.</summary>
    SnapshotMissing,

    /// <summary>An option's value makes no sense here.</summary>
    OptionInvalid,

    /// <summary>The control plane refuses the key.</summary>
    AccessDenied,

    /// <summary>The control plane does not know what was named.</summary>
    NotFound,

    /// <summary>The control plane is not in the state for it.</summary>
    Conflict,

    /// <summary>The control plane, or the agent it asked, did not answer.</summary>
    Unavailable,
}

/// <summary>A request that cannot be carried out as it stands.</summary>
/// <param name="fault">What kind of mistake it is.</param>
/// <param name="message">What is wrong.</param>
/// <param name="hint">What to type instead.</param>
/// <param name="cause">What led to it.</param>
public sealed class CliException(CliFault fault, string message, string hint, Exception? cause = null)
    : Exception($"{message}\nHint: {hint}", cause)
{
    /// <summary>What kind of mistake it is.</summary>
    public CliFault Fault { get; } = fault;

    /// <summary>True when the same command line may succeed later.</summary>
    public bool IsTransient => Fault is CliFault.Unavailable;
}
