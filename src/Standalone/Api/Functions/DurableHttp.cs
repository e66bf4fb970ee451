using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization;
using Backup.Standalone.Durable.Clients;
using Microsoft.Azure.Functions.Worker.Http;
using Microsoft.DurableTask.Client;

namespace Microsoft.Azure.Functions.Worker;

/// <summary>The URLs under which an instance is managed. Each carries the system key: not for logs.</summary>
public class HttpManagementPayload
{
    /// <summary>The instance's id.</summary>
    [JsonPropertyName("id")]
    public string? Id { get; internal init; }

    /// <summary>Answers with the status.</summary>
    [JsonPropertyName("statusQueryGetUri")]
    public string? StatusQueryGetUri { get; internal init; }

    /// <summary>Raises an event; put its name in place of <c>{eventName}</c>.</summary>
    [JsonPropertyName("sendEventPostUri")]
    public string? SendEventPostUri { get; internal init; }

    /// <summary>Terminates; put the reason in place of <c>{text}</c>.</summary>
    [JsonPropertyName("terminatePostUri")]
    public string? TerminatePostUri { get; internal init; }

    /// <summary>Rewinds; null, since this host cannot.</summary>
    [JsonPropertyName("rewindPostUri")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? RewindPostUri { get; internal init; }

    /// <summary>Purges.</summary>
    [JsonPropertyName("purgeHistoryDeleteUri")]
    public string? PurgeHistoryDeleteUri { get; internal init; }

    /// <summary>Restarts.</summary>
    [JsonPropertyName("restartPostUri")]
    public string? RestartPostUri { get; internal init; }

    /// <summary>Suspends; put the reason in place of <c>{text}</c>.</summary>
    [JsonPropertyName("suspendPostUri")]
    public string? SuspendPostUri { get; internal init; }

    /// <summary>Resumes; put the reason in place of <c>{text}</c>.</summary>
    [JsonPropertyName("resumePostUri")]
    public string? ResumePostUri { get; internal init; }
}

/// <summary>Answers that tell a caller where to ask for the status of an instance.</summary>
public static class DurableTaskClientExtensions
{
    private const string RetryAfterSeconds = "10";

    /// <summary>Answers 202 with the management URLs.</summary>
    public static Task<HttpResponseData> CreateCheckStatusResponseAsync(
        this DurableTaskClient client, HttpRequestData request, string instanceId, CancellationToken cancellation = default) =>
        client.CreateCheckStatusResponseAsync(request, instanceId, HttpStatusCode.Accepted, cancellation);

    /// <summary>Answers with a status of choice and the management URLs.</summary>
    public static async Task<HttpResponseData> CreateCheckStatusResponseAsync(
        this DurableTaskClient client, HttpRequestData request, string instanceId, HttpStatusCode statusCode, CancellationToken cancellation = default)
    {
        var response = Begin(client, request, instanceId, statusCode, out var payload);
        await JsonSerializer.SerializeAsync(response.Body, payload, cancellationToken: cancellation).ConfigureAwait(false);
        return response;
    }

    /// <summary>Answers 202 with the management URLs.</summary>
    public static HttpResponseData CreateCheckStatusResponse(
        this DurableTaskClient client, HttpRequestData request, string instanceId, CancellationToken cancellation = default) =>
        client.CreateCheckStatusResponse(request, instanceId, HttpStatusCode.Accepted, cancellation);

    /// <summary>Answers with a status of choice and the management URLs.</summary>
    public static HttpResponseData CreateCheckStatusResponse(
        this DurableTaskClient client, HttpRequestData request, string instanceId, HttpStatusCode statusCode, CancellationToken cancellation = default)
    {
        var response = Begin(client, request, instanceId, statusCode, out var payload);
        JsonSerializer.Serialize(response.Body, payload);
        return response;
    }

    /// <summary>The management URLs of an instance.</summary>
    /// <param name="client">A client of this host.</param>
    /// <param name="instanceId">The instance.</param>
    /// <param name="request">The request whose origin the URLs have; null: the host's own address.</param>
    /// <exception cref="InvalidOperationException">The client does not belong to a functions app.</exception>
    public static HttpManagementPayload CreateHttpManagementPayload(
        this DurableTaskClient client, string instanceId, HttpRequestData? request = null)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentException.ThrowIfNullOrEmpty(instanceId);
        return client is PostgresDurableTaskClient { ManagementUrls: { } urls }
            ? urls().PayloadFor(instanceId, request?.Url)
            : throw new InvalidOperationException("This client does not belong to a functions app and has no management URLs.");
    }

    private static HttpResponseData Begin(
        DurableTaskClient client, HttpRequestData request, string instanceId, HttpStatusCode statusCode, out HttpManagementPayload payload)
    {
        ArgumentNullException.ThrowIfNull(request);
        payload = client.CreateHttpManagementPayload(instanceId, request);
        var response = request.CreateResponse(statusCode);
        response.Headers.TryAddWithoutValidation("Location", payload.StatusQueryGetUri);
        response.Headers.TryAddWithoutValidation("Retry-After", RetryAfterSeconds);
        response.Headers.TryAddWithoutValidation("Content-Type", "application/json; charset=utf-8");
        return response;
    }
}
