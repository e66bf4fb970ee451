using Backup.Catalog.Agents;
using Microsoft.Extensions.Logging;

namespace Backup.Functions;

/// <summary>Log events of the control plane: 6000 to 6999.</summary>
internal static partial class Log
{
    [LoggerMessage(6001, LogLevel.Information, "Fleet {InstanceId} started with {AssetCount} assets: {Assets}")]
    internal static partial void FleetStarted(ILogger logger, string instanceId, int assetCount, string assets);

    [LoggerMessage(6002, LogLevel.Warning, "Run {RunId} was open, but its orchestration is {Status}: closed as {State}")]
    internal static partial void RunAbandoned(ILogger logger, string runId, string status, string state);

    [LoggerMessage(6003, LogLevel.Warning, "The schedule was skipped: {Reason}")]
    internal static partial void ScheduleSkipped(ILogger logger, string reason);

    [LoggerMessage(6004, LogLevel.Error, "Request {Method} {Path} failed")]
    internal static partial void RequestFailed(ILogger logger, Exception exception, string method, string path);

    [LoggerMessage(6005, LogLevel.Warning, "Restore {RestoreId} was open, but its orchestration is {Status}: closed as failed")]
    internal static partial void RestoreAbandoned(ILogger logger, string restoreId, string status);

    [LoggerMessage(6006, LogLevel.Warning, "Enrolment {EnrolmentId} was asked for: {Verdict}")]
    internal static partial void EnrolmentAsked(ILogger logger, string enrolmentId, EnrolmentVerdict verdict);

    [LoggerMessage(6007, LogLevel.Warning, "No capacity was measured: {Reason}")]
    internal static partial void CapacitySkipped(ILogger logger, string reason);

    [LoggerMessage(6008, LogLevel.Warning, "Nothing was verified: {Reason}")]
    internal static partial void VerificationSkipped(ILogger logger, string reason);

    [LoggerMessage(6009, LogLevel.Warning, "Retention was not decided for every asset: {Reason}")]
    internal static partial void RetentionSkipped(ILogger logger, string reason);

    [LoggerMessage(6010, LogLevel.Warning, "Vault {Vault} did not say how far the log of its databases reaches: {Reason}")]
    internal static partial void LogNotHeardOf(ILogger logger, string vault, string reason);

    [LoggerMessage(6011, LogLevel.Warning, "Locks were not looked after: {Reason}")]
    internal static partial void LocksSkipped(ILogger logger, string reason);

    [LoggerMessage(6012, LogLevel.Warning, "Archive restores were not looked after: {Reason}")]
    internal static partial void ArchiveSkipped(ILogger logger, string reason);

    [LoggerMessage(6020, LogLevel.Warning, "The RPO clocks were not read: {Reason}")]
    internal static partial void RpoSkipped(ILogger logger, string reason);

    [LoggerMessage(6021, LogLevel.Warning, "RPO of {Asset} is at risk: its newest restorable moment is {AgeSeconds} s old, {LimitSeconds} s are allowed")]
    internal static partial void RpoAtRisk(ILogger logger, string asset, double ageSeconds, double limitSeconds);

    [LoggerMessage(6022, LogLevel.Information, "RPO of {Asset} has recovered: its newest restorable moment is {AgeSeconds} s old")]
    internal static partial void RpoRecovered(ILogger logger, string asset, double ageSeconds);
}
