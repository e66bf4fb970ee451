using Backup.Agent.Journal;
using Backup.AgentApi;
using Microsoft.Extensions.Logging;

namespace Backup.Agent.Jobs;

/// <summary>What happens to jobs. Events 4100 to 4199.</summary>
internal static partial class JobLog
{
    [LoggerMessage(4101, LogLevel.Information, "Journal opened: {JobCount} jobs known, {UnfinishedCount} to go on with, {TornBytes} bytes of a torn record cut off")]
    internal static partial void JournalOpened(ILogger logger, int jobCount, int unfinishedCount, long tornBytes);

    [LoggerMessage(4102, LogLevel.Error, "Journal: '{Kind}' of job {OrderId} could not be written; after a restart the job runs again")]
    internal static partial void JournalWriteFailed(ILogger logger, string orderId, JobRecordKind kind, Exception cause);

    [LoggerMessage(4103, LogLevel.Warning, "Journal could not be compacted")]
    internal static partial void CompactionFailed(ILogger logger, Exception cause);

    [LoggerMessage(4110, LogLevel.Information, "Job {OrderId} ({Operation}) started, attempt {Attempt}")]
    internal static partial void Started(ILogger logger, string orderId, Operation operation, int attempt);

    [LoggerMessage(4111, LogLevel.Information, "Job {OrderId} ({Operation}) ended: {State}")]
    internal static partial void Ended(ILogger logger, string orderId, Operation operation, JobState state);

    [LoggerMessage(4112, LogLevel.Warning, "Job {OrderId} ({Operation}) failed with {Code}: {Reason}")]
    internal static partial void Failed(ILogger logger, string orderId, Operation operation, FailureCode code, string reason);

    [LoggerMessage(4113, LogLevel.Error, "Job {OrderId} ({Operation}) failed unexpectedly")]
    internal static partial void FailedUnexpectedly(ILogger logger, string orderId, Operation operation, Exception cause);

    [LoggerMessage(4114, LogLevel.Information, "Job {OrderId} ({Operation}) interrupted: the agent stops; it begins again after the restart")]
    internal static partial void Interrupted(ILogger logger, string orderId, Operation operation);

    [LoggerMessage(4115, LogLevel.Error, "No job can be started: the journal cannot be written; trying again in {Seconds} s")]
    internal static partial void CannotStart(ILogger logger, double seconds, Exception cause);

    [LoggerMessage(4116, LogLevel.Error, "Job {OrderId} ({Operation}) given up: the agent died {Attempts} times while it worked on it")]
    internal static partial void GivenUp(ILogger logger, string orderId, Operation operation, int attempts);
}
