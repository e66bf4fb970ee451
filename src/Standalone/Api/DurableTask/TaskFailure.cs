using System.Reflection;

namespace Microsoft.DurableTask;

/// <summary>A failure as it is stored: what crosses from an activity or a sub-orchestration to its caller.</summary>
/// <param name="ErrorType">The full name of the exception's type.</param>
/// <param name="ErrorMessage">The exception's message.</param>
/// <param name="StackTrace">The exception's stack, when it had one.</param>
/// <param name="InnerFailure">The inner exception's failure, when there was one.</param>
/// <param name="Properties">Further properties of the failure.</param>
public record TaskFailureDetails(
    string ErrorType,
    string ErrorMessage,
    string? StackTrace,
    TaskFailureDetails? InnerFailure,
    IDictionary<string, object?>? Properties)
{
    /// <summary>Whether the failure's exception was a <typeparamref name="T"/> or derived from it.</summary>
    /// <returns>False also when the exception's type is not loaded in this process.</returns>
    /// <exception cref="AmbiguousMatchException">Several loaded assemblies hold a type of that name.</exception>
    public bool IsCausedBy<T>()
        where T : Exception => IsCausedBy(typeof(T));

    /// <summary>Whether the failure's exception was of this type or derived from it.</summary>
    /// <returns>False also when the exception's type is not loaded in this process.</returns>
    /// <exception cref="ArgumentException">The type is not an exception type.</exception>
    /// <exception cref="AmbiguousMatchException">Several loaded assemblies hold a type of that name.</exception>
    public bool IsCausedBy(Type targetBaseExceptionType)
    {
        ArgumentNullException.ThrowIfNull(targetBaseExceptionType);
        if (!typeof(Exception).IsAssignableFrom(targetBaseExceptionType))
        {
            throw new ArgumentException($"The type {targetBaseExceptionType} is not an exception type.", nameof(targetBaseExceptionType));
        }

        return !string.IsNullOrEmpty(ErrorType) && targetBaseExceptionType.IsAssignableFrom(FindType(targetBaseExceptionType.Assembly));
    }

    /// <summary>The failure of an exception with its chain of inner exceptions.</summary>
    public static TaskFailureDetails FromException(Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        var inner = exception switch
        {
            TaskFailedException failed => failed.FailureDetails,
            _ => exception.InnerException is null ? null : FromException(exception.InnerException),
        };
        return new TaskFailureDetails(exception.GetType().ToString(), exception.Message, exception.StackTrace, inner, null);
    }

    /// <summary>Type and message, for logs.</summary>
    public override string ToString() => $"{ErrorType}: {ErrorMessage}";

    private Type? FindType(Assembly likely)
    {
        if ((Type.GetType(ErrorType, throwOnError: false) ?? likely.GetType(ErrorType, throwOnError: false)) is { } found)
        {
            return found;
        }

        var matches = AppDomain.CurrentDomain.GetAssemblies()
            .Select(assembly => assembly.GetType(ErrorType, throwOnError: false)).OfType<Type>().Distinct().ToList();
        return matches.Count <= 1
            ? matches.SingleOrDefault()
            : throw new AmbiguousMatchException($"Several exception types are named '{ErrorType}'.");
    }
}

/// <summary>A called activity or sub-orchestration failed.</summary>
public sealed class TaskFailedException : Exception
{
    /// <summary>A failure with its exception.</summary>
    /// <param name="taskName">The task that failed.</param>
    /// <param name="taskId">Its number within the orchestration.</param>
    /// <param name="innerException">Why.</param>
    public TaskFailedException(string taskName, int taskId, Exception innerException)
        : base(Describe(taskName, taskId, innerException?.Message), innerException)
    {
        ArgumentNullException.ThrowIfNull(innerException);
        TaskName = taskName;
        TaskId = taskId;
        FailureDetails = TaskFailureDetails.FromException(innerException);
    }

    /// <summary>A failure from its stored details.</summary>
    /// <param name="taskName">The task that failed.</param>
    /// <param name="taskId">Its number within the orchestration.</param>
    /// <param name="failureDetails">Why.</param>
    public TaskFailedException(string taskName, int taskId, TaskFailureDetails failureDetails)
        : base(Describe(taskName, taskId, failureDetails?.ErrorMessage))
    {
        ArgumentNullException.ThrowIfNull(failureDetails);
        TaskName = taskName;
        TaskId = taskId;
        FailureDetails = failureDetails;
    }

    /// <summary>The task that failed.</summary>
    public string TaskName { get; }

    /// <summary>The task's number within the orchestration.</summary>
    public int TaskId { get; }

    /// <summary>Why it failed.</summary>
    public TaskFailureDetails FailureDetails { get; }

    /// <summary>Whether the cause was a <typeparamref name="T"/>.</summary>
    [Obsolete("Use FailureDetails.IsCausedBy<T>().")]
    public bool IsCausedByException<T>()
        where T : Exception => FailureDetails.IsCausedBy<T>();

    private static string Describe(string taskName, int taskId, string? message) =>
        $"Task '{taskName}' (#{taskId}) failed with an unhandled exception: {message}";
}
