namespace Backup.Functions;

/// <summary>Why the control plane could not do its part.</summary>
public enum ControlPlaneFault
{
    /// <summary>A setting is missing or wrong; every problem is listed.</summary>
    Settings,

    /// <summary>Off-site storage cannot be reached now.</summary>
    OffsiteUnavailable,

    /// <summary>Off-site storage refused: credentials, rights or names.</summary>
    OffsiteRefused,

    /// <summary>A replica and what the catalog or the vault say of it do not fit together, so nothing may be removed there.</summary>
    ReplicaUnsafe,
}

/// <summary>The only exception this project throws for what happens outside it. Texts never hold credentials.</summary>
/// <param name="fault">What kind of failure.</param>
/// <param name="message">What happened.</param>
/// <param name="hint">What to do about it.</param>
/// <param name="cause">The underlying failure.</param>
public sealed class ControlPlaneException(ControlPlaneFault fault, string message, string hint, Exception? cause = null)
    : Exception($"{message}\nHint: {hint}", cause)
{
    /// <summary>What kind of failure.</summary>
    public ControlPlaneFault Fault { get; } = fault;

    /// <summary>What happened, without the hint.</summary>
    public string Summary { get; } = message;

    /// <summary>What to do about it.</summary>
    public string Hint { get; } = hint;

    /// <summary>True when trying again later may succeed without anybody changing anything.</summary>
    public bool IsTransient => Fault is ControlPlaneFault.OffsiteUnavailable;
}
