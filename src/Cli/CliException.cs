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

    /// <summary>False: the same command line fails again.</summary>
    public bool IsTransient { get; }
}
