using Microsoft.Extensions.Logging;

namespace Backup.Standalone.Durable.Execution;

/// <summary>Events 4100–4199: turns and activities.</summary>
internal static partial class ExecutionLog
{
    [LoggerMessage(4101, LogLevel.Information, "{InstanceId}: retrying '{TaskName}' after attempt {Attempt}")]
    internal static partial void Retrying(ILogger logger, string instanceId, string taskName, int attempt);

    [LoggerMessage(4102, LogLevel.Information, "{InstanceId}: orchestration '{Name}' finished as {Status}")]
    internal static partial void Finished(ILogger logger, string instanceId, string name, string status);

    [LoggerMessage(4103, LogLevel.Error, "{InstanceId}: orchestration '{Name}' failed: {Reason}")]
    internal static partial void Failed(ILogger logger, string instanceId, string name, string reason);

    [LoggerMessage(4104, LogLevel.Warning, "{InstanceId}: activity '{Name}' failed: {Reason}")]
    internal static partial void ActivityFailed(ILogger logger, string instanceId, string name, string reason);

    [LoggerMessage(4105, LogLevel.Warning, "{InstanceId}: a result came too late, somebody else has taken the work over")]
    internal static partial void Refused(ILogger logger, string instanceId);

    [LoggerMessage(4106, LogLevel.Error, "{InstanceId}: the turn of '{Name}' could not be stored; the instance fails")]
    internal static partial void TurnNotStorable(ILogger logger, Exception exception, string instanceId, string name);

    [LoggerMessage(4107, LogLevel.Error, "{InstanceId}: the result of activity '{Name}' could not be stored; the call fails")]
    internal static partial void ResultNotStorable(ILogger logger, Exception exception, string instanceId, string name);

    [LoggerMessage(4108, LogLevel.Warning, "{EntityId}: operation '{Operation}' failed: {Reason}")]
    internal static partial void EntityFailed(ILogger logger, string entityId, string operation, string reason);
}
