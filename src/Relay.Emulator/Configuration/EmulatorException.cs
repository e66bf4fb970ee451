namespace Backup.Relay.Emulator;

/// <summary>Why the emulator does not start.</summary>
public enum EmulatorFault
{
    /// <summary>The configuration cannot be read or breaks a rule.</summary>
    Configuration,

    /// <summary>The certificate or its key cannot be read or written.</summary>
    Certificate,

    /// <summary>The port is taken or may not be used.</summary>
    Port,
}

/// <summary>The only exception this project throws for what its environment did.</summary>
/// <param name="fault">What went wrong.</param>
/// <param name="message">What happened, for people.</param>
/// <param name="hint">What to do about it.</param>
/// <param name="cause">The underlying failure.</param>
public sealed class EmulatorException(EmulatorFault fault, string message, string hint, Exception? cause = null)
    : Exception($"{message}\nHint: {hint}", cause)
{
    /// <summary>What went wrong.</summary>
    public EmulatorFault Fault { get; } = fault;

    /// <summary>True when trying again may help: the port may become free.</summary>
    public bool IsTransient => Fault is EmulatorFault.Port;
}
