namespace DurableTask.Core.Exceptions;

/// <summary>An orchestrator's code does not do what its history says it did.</summary>
public sealed class NonDeterministicOrchestrationException : Exception
{
    /// <summary>With a general message.</summary>
    public NonDeterministicOrchestrationException()
        : this("The orchestrator's code does not match its history.")
    {
    }

    /// <summary>With a message.</summary>
    public NonDeterministicOrchestrationException(string message)
        : base("Non-Deterministic workflow detected: " + message)
    {
    }

    /// <summary>With a message and a cause.</summary>
    public NonDeterministicOrchestrationException(string message, Exception innerException)
        : base("Non-Deterministic workflow detected: " + message, innerException)
    {
    }
}
