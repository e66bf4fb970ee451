using Backup.Standalone.Durable.Store;
using DurableTask.Core.History;

namespace Backup.Standalone.Durable.Clients;

/// <summary>The stored history as Durable Task shows it.</summary>
internal static class HistoryEvents
{
    /// <summary>Converts a history; the ends of turns, which are not stored, are put in.</summary>
    public static IList<HistoryEvent> Of(IReadOnlyList<HistoryRecord> records)
    {
        var events = new List<HistoryEvent>(records.Count + 8);
        foreach (var record in records)
        {
            if (record.Kind == EventType.OrchestratorStarted && events.Count > 0)
            {
                events.Add(EndOfTurn(events[^1].Timestamp));
            }

            events.Add(Of(record));
        }

        if (events.Count > 0)
        {
            events.Add(EndOfTurn(events[^1].Timestamp));
        }

        return events;
    }

    private static HistoryEvent EndOfTurn(DateTime at) => new(-1, EventType.OrchestratorCompleted, at);

    private static HistoryEvent Of(HistoryRecord record)
    {
        var isResult = record.Kind is EventType.TaskCompleted or EventType.SubOrchestrationInstanceCompleted
            or EventType.ExecutionCompleted or EventType.ExecutionTerminated;
        return new HistoryEvent(record.EventId, record.Kind, record.At)
        {
            TaskScheduledId = record.TaskId,
            Name = record.Name,
            Version = record.Version,
            Input = isResult ? null : record.Data,
            Result = isResult ? record.Data : null,
            FireAt = record.FireAt,
            InstanceId = record.Target,
            FailureDetails = record.Failure?.ToDetails(),
        };
    }
}
