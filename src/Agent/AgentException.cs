using Backup.AgentApi;

namespace Backup.Agent;

/// <summary>What kind of thing went wrong in the agent itself. Failures of jobs are reported with the codes of the agent API.</summary>
public enum AgentFault
{
    /// <summary>The configuration file cannot be read or holds mistakes; the message lists all of them.</summary>
    Settings,

    /// <summary>The job journal holds damage that no interrupted write explains.</summary>
    JournalDamaged,

    /// <summary>The job journal was written by a newer version of the agent.</summary>
    JournalTooNew,

    /// <summary>Another agent process uses the same state folder.</summary>
    StateFolderInUse,

    /// <summary>The state folder cannot be written (permissions, disk full).</summary>
    StateFolderUnavailable,

    /// <summary>The agent has no usable keys, or an enrolment was refused.</summary>
    Keys,

    /// <summary>The control plane's HTTP interface does not answer an enrolment.</summary>
    ControlPlaneUnreachable,

    /// <summary>One job cannot be done; <see cref="AgentException.Failure"/> is what its report will say.</summary>
    Job,
}

/// <summary>A failure that keeps the agent from working at all, said with what to do about it.</summary>
/// <param name="fault">What kind of failure it is.</param>
/// <param name="message">What happened, without secrets.</param>
/// <param name="hint">What a person can do about it.</param>
/// <param name="cause">What led to it.</param>
public sealed class AgentException(AgentFault fault, string message, string hint, Exception? cause = null)
    : Exception($"{message}\nHint: {hint}", cause)
{
    /// <summary>What kind of failure it is.</summary>
    public AgentFault Fault { get; } = fault;

    /// <summary>What a person can do about it.</summary>
    public string Hint { get; } = hint;

    /// <summary>What the job's report says; set exactly with <see cref="AgentFault.Job"/>.</summary>
    public Failure? Failure { get; private init; }

    /// <summary>Whether the same call may succeed later with nothing else changed.</summary>
    public bool IsTransient => Fault is AgentFault.StateFolderInUse or AgentFault.StateFolderUnavailable or AgentFault.ControlPlaneUnreachable || Failure?.IsTransient == true;

    /// <summary>A job's failure on its way to the job's report.</summary>
    internal static AgentException OfJob(Failure failure, Exception? cause = null) =>
        new(AgentFault.Job, failure.Message, failure.Hint, cause) { Failure = failure };
}
