using Microsoft.Extensions.Logging;

namespace Backup.Standalone.Durable.Store;

/// <summary>Events 4000–4099: the store.</summary>
internal static partial class StoreLog
{
    [LoggerMessage(4001, LogLevel.Warning, "PostgreSQL did not confirm a commit of {ItemCount} items, repeating: {Reason}")]
    internal static partial void CommitRepeated(ILogger logger, int itemCount, string reason);

    [LoggerMessage(4002, LogLevel.Warning, "The notification connection is down, polling until it is back: {Reason}")]
    internal static partial void ListenerDown(ILogger logger, string reason);

    [LoggerMessage(4003, LogLevel.Information, "Registered as worker {WorkerId} on hub schema {Schema}")]
    internal static partial void WorkerRegistered(ILogger logger, int workerId, string schema);

    [LoggerMessage(4004, LogLevel.Warning, "Worker {WorkerId} lost its lease; registering anew, its late writes will be refused")]
    internal static partial void LeaseLost(ILogger logger, int workerId);

    [LoggerMessage(4005, LogLevel.Information, "Took over {TurnCount} turns and {ActivityCount} activities of workers that died: {WorkerIds}")]
    internal static partial void TakenOver(ILogger logger, int turnCount, int activityCount, string workerIds);

    [LoggerMessage(4006, LogLevel.Warning, "The lease could not be renewed: {Reason}")]
    internal static partial void LeaseNotRenewed(ILogger logger, string reason);

    [LoggerMessage(4007, LogLevel.Warning, "Looking for work failed, trying again: {Reason}")]
    internal static partial void ClaimFailed(ILogger logger, string reason);
}
