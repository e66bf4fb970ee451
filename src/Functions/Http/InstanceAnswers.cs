using System.Text.Json;
using Microsoft.DurableTask.Client;

namespace Backup.Functions.Http;

/// <summary>Answers about orchestrations that have no row in the catalog: just started, skipped, or of several assets.</summary>
internal static class InstanceAnswers
{
    private sealed record InstanceView(string Id, string State, DateTimeOffset OpenedAt, JsonElement? Outcome);

    /// <summary>Null when there is no such instance.</summary>
    /// <param name="client">Asked.</param>
    /// <param name="id">Of the instance, as the caller was told.</param>
    /// <param name="kinds">What ids may begin with: an address tells of its own kinds only, each has a key that opens it.</param>
    /// <param name="cancel">Gives up.</param>
    public static async Task<HttpAnswer?> OfAsync(DurableTaskClient client, string id, string[] kinds, CancellationToken cancel)
    {
        if (!kinds.Any(kind => id.StartsWith(kind, StringComparison.Ordinal)))
        {
            return null;
        }

        var instance = await client.GetInstanceAsync(id, getInputsAndOutputs: true, cancel).ConfigureAwait(false);
        if (instance is null)
        {
            return null;
        }

        var state = instance.RuntimeStatus switch
        {
            OrchestrationRuntimeStatus.Pending => "queued",
            OrchestrationRuntimeStatus.Completed => "ended",
            OrchestrationRuntimeStatus.Failed => "failed",
            OrchestrationRuntimeStatus.Terminated or OrchestrationRuntimeStatus.Canceled => "cancelled",
            _ => "running",
        };
        JsonElement? outcome = instance.RuntimeStatus is OrchestrationRuntimeStatus.Completed && instance.SerializedOutput is { } json
            ? JsonSerializer.Deserialize<JsonElement>(json)
            : null;
        return HttpAnswer.Ok(new InstanceView(id, state, instance.CreatedAt, outcome));
    }
}
