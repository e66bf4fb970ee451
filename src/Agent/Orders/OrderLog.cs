using Backup.AgentApi;
using Microsoft.Extensions.Logging;

namespace Backup.Agent.Orders;

/// <summary>What arrives at the agent. Events 4000 to 4099.</summary>
internal static partial class OrderLog
{
    [LoggerMessage(4000, LogLevel.Information, "Listening for orders as {Agent} at {Endpoint}/{Path}")]
    internal static partial void Listening(ILogger logger, string agent, string endpoint, string path);

    [LoggerMessage(4001, LogLevel.Warning, "A message was not accepted: {Fault}. {Text} {Hint}")]
    internal static partial void NotAccepted(ILogger logger, AgentApiFault fault, string text, string hint);

    [LoggerMessage(4002, LogLevel.Information, "Order {OrderId} ({Operation}): {Verdict}")]
    internal static partial void JobOrdered(ILogger logger, string orderId, Operation operation, ReplayVerdict? verdict);

    [LoggerMessage(4003, LogLevel.Information, "Order to cancel job {OrderId}")]
    internal static partial void CancelOrdered(ILogger logger, string orderId);

    [LoggerMessage(4004, LogLevel.Error, "Order {OrderId} refused: the state folder cannot be written")]
    internal static partial void CannotJournal(ILogger logger, string orderId, Exception cause);
}
