using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using DurableTask.Core.History;
using Microsoft.DurableTask.Client;

namespace Backup.Standalone.Http;

/// <summary>The body of a status answer.</summary>
internal static class StatusBody
{
    private const string TimeFormat = "yyyy-MM-ddTHH:mm:ssZ";
    private const string EventTimeFormat = "yyyy-MM-ddTHH:mm:ss.fffffffZ";

    public static JsonObject Of(OrchestrationMetadata metadata, IList<HistoryEvent>? history, bool showHistoryOutput, bool showInput)
    {
        var body = Of(metadata, showInput);
        if (history is not null)
        {
            body["historyEvents"] = Events(history, metadata, showHistoryOutput);
        }

        return body;
    }

    private static JsonObject Of(OrchestrationMetadata metadata, bool showInput) => new()
    {
        ["name"] = metadata.Name,
        ["instanceId"] = metadata.InstanceId,
        ["runtimeStatus"] = metadata.RuntimeStatus.ToString(),
        ["input"] = showInput ? Parse(metadata.SerializedInput) : null,
        ["customStatus"] = Parse(metadata.SerializedCustomStatus),
        ["output"] = metadata.FailureDetails is { } failure
            ? $"{failure.ErrorType}: {failure.ErrorMessage}"
            : Parse(metadata.SerializedOutput),
        ["createdTime"] = metadata.CreatedAt.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture),
        ["lastUpdatedTime"] = metadata.LastUpdatedAt.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture),
    };

    /// <summary>A stored value as JSON; that of a converter that does not write JSON is shown as text.</summary>
    public static JsonNode? Parse(string? serialized)
    {
        if (serialized is null)
        {
            return null;
        }

        try
        {
            return JsonNode.Parse(serialized);
        }
        catch (JsonException)
        {
            return JsonValue.Create(serialized);
        }
    }

    // Answers stand with the name and time of their calls; the calls themselves and the borders of turns are left out.
    private static JsonArray Events(IList<HistoryEvent> history, OrchestrationMetadata metadata, bool showOutput)
    {
        var calls = history.Where(e => e.EventId >= 0).ToDictionary(e => e.EventId);
        var answered = history.Where(e => e.TaskScheduledId >= 0).Select(e => e.TaskScheduledId).ToHashSet();
        var events = new JsonArray();
        foreach (var happened in history)
        {
            if (happened.EventType is EventType.OrchestratorStarted or EventType.OrchestratorCompleted || answered.Contains(happened.EventId))
            {
                continue;
            }

            var shown = new JsonObject
            {
                ["EventType"] = happened.EventType.ToString(),
                ["Timestamp"] = happened.Timestamp.ToString(EventTimeFormat, CultureInfo.InvariantCulture),
            };
            var call = calls.GetValueOrDefault(happened.TaskScheduledId);
            if (call is not null)
            {
                shown["ScheduledTime"] = call.Timestamp.ToString(EventTimeFormat, CultureInfo.InvariantCulture);
            }

            if ((call?.Name ?? happened.Name) is { } name)
            {
                shown[happened.EventType is EventType.EventRaised or EventType.EventSent ? "Name" : "FunctionName"] = name;
            }

            if ((happened.FireAt ?? call?.FireAt) is { } fireAt)
            {
                shown["FireAt"] = fireAt.ToString(EventTimeFormat, CultureInfo.InvariantCulture);
            }

            if (happened.FailureDetails is { } failure)
            {
                shown["Reason"] = failure.ErrorMessage;
            }

            if (happened.EventType == EventType.ExecutionCompleted)
            {
                shown["OrchestrationStatus"] = metadata.RuntimeStatus.ToString();
            }

            if (showOutput && (happened.Result ?? happened.Input) is { } data)
            {
                shown[happened.Result is null ? "Input" : "Result"] = Parse(data);
            }

            events.Add(shown);
        }

        return events;
    }
}
