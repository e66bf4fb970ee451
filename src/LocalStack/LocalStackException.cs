namespace Backup.LocalStack;

/// <summary>What went wrong while setting up or running the local stack.</summary>
public enum LocalStackFault
{
    /// <summary>A program, package or file the stack needs is missing on this machine.</summary>
    Prerequisite,

    /// <summary>A child process ended when it should have kept running, or never became ready.</summary>
    ChildFailed,

    /// <summary>A free port was taken by someone else between choosing and using it.</summary>
    PortTaken,

    /// <summary>The command line or the state folder does not fit.</summary>
    Configuration,

    /// <summary>The stack ran, but what it did is not what it should have done.</summary>
    UnexpectedResult,
}

/// <summary>The one exception type of the local stack: a fault, and a hint a person can act on.</summary>
public sealed class LocalStackException(LocalStackFault fault, string message, string hint, Exception? cause = null)
    : Exception($"{message}\nHint: {hint}", cause)
{
    /// <summary>What kind of failure this is.</summary>
    public LocalStackFault Fault { get; } = fault;

    /// <summary>What the reader can do about it.</summary>
    public string Hint { get; } = hint;

    /// <summary>Whether the same call may succeed when repeated at once.</summary>
    public bool IsTransient => Fault is LocalStackFault.PortTaken;
}
