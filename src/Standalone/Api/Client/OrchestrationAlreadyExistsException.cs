namespace DurableTask.Core.Exceptions;

/// <summary>An instance of the wanted id exists and may not be replaced.</summary>
public sealed class OrchestrationAlreadyExistsException : Exception
{
    /// <summary>With a general message.</summary>
    public OrchestrationAlreadyExistsException()
        : this("An orchestration instance of this id already exists.")
    {
    }

    /// <summary>With a message.</summary>
    public OrchestrationAlreadyExistsException(string message)
        : base(message)
    {
    }

    /// <summary>With a message and a cause.</summary>
    public OrchestrationAlreadyExistsException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
