using System.Net;
using Microsoft.Azure.Functions.Worker.Extensions.DurableTask.Http;
using Microsoft.DurableTask;
using Microsoft.Extensions.Primitives;

namespace Backup.Standalone.Http;

#pragma warning disable CA2007 // Orchestrator code: continuations belong on the turn's own context.

/// <summary>The orchestrator's side of durable HTTP calls.</summary>
internal static class DurableHttpCaller
{
    public const string ActivityName = "BuiltIn::HttpActivity";

    private static readonly TimeSpan DefaultPollInterval = TimeSpan.FromSeconds(30);

    public static async Task<DurableHttpResponse> CallAsync(TaskOrchestrationContext context, DurableHttpRequest request)
    {
        var response = await SendAsync(context, Stored(request, request.Method, request.Uri, request.Content), request.HttpRetryOptions);
        while (request.AsynchronousPatternEnabled && response.StatusCode == HttpStatusCode.Accepted
            && response.Headers.GetValueOrDefault("Location") is { Length: > 0 } location)
        {
            var wait = int.TryParse(response.Headers.GetValueOrDefault("Retry-After"), out var seconds) ? TimeSpan.FromSeconds(seconds) : DefaultPollInterval;
            await context.CreateTimer(wait, CancellationToken.None);
            response = await SendAsync(
                context, Stored(request, HttpMethod.Get, new Uri(request.Uri, location), null), request.HttpRetryOptions);
        }

        return new DurableHttpResponse(response.StatusCode)
        {
            Headers = response.Headers.ToDictionary(h => h.Key, h => new StringValues(h.Value)),
            Content = response.Content,
        };
    }

    private static async Task<StoredResponse> SendAsync(TaskOrchestrationContext context, StoredRequest request, HttpRetryOptions? retry)
    {
        if (retry is null)
        {
            return await context.CallActivityAsync<StoredResponse>(ActivityName, request);
        }

        var retried = request with
        {
            FailingStatuses = retry.StatusCodesToRetry.Count == 0 ? null : [.. retry.StatusCodesToRetry.Select(s => (int)s)],
            FailsOnStatus = true,
        };
        var policy = new RetryPolicy(
            Math.Max(1, retry.MaxNumberOfAttempts),
            retry.FirstRetryInterval,
            retry.BackoffCoefficient,
            retry.MaxRetryInterval,
            retry.RetryTimeout == TimeSpan.MaxValue ? Timeout.InfiniteTimeSpan : retry.RetryTimeout);
        return await context.CallActivityAsync<StoredResponse>(ActivityName, retried, TaskOptions.FromRetryPolicy(policy));
    }

    private static StoredRequest Stored(DurableHttpRequest request, HttpMethod method, Uri uri, string? content) => new(
        method.Method,
        uri,
        request.Headers?.ToDictionary(h => h.Key, h => h.Value.ToString()) ?? [],
        content,
        request.Timeout);
}

/// <summary>The request as it is stored.</summary>
internal sealed record StoredRequest(string Method, Uri Uri, Dictionary<string, string> Headers, string? Content, TimeSpan? Timeout)
{
    /// <summary>Whether a failing status fails the call, so that it is retried.</summary>
    public bool FailsOnStatus { get; init; }

    /// <summary>The failing statuses; null: all of 500 and above.</summary>
    public int[]? FailingStatuses { get; init; }
}

/// <summary>The answer as it is stored.</summary>
internal sealed record StoredResponse(HttpStatusCode StatusCode, Dictionary<string, string> Headers, string? Content);

/// <summary>The activity that makes the request.</summary>
internal sealed class DurableHttpActivity(IHttpClientFactory clients) : TaskActivity<StoredRequest, StoredResponse>
{
    private static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(100);

    public override async Task<StoredResponse> RunAsync(TaskActivityContext context, StoredRequest input)
    {
        using var limit = new CancellationTokenSource(input.Timeout ?? DefaultTimeout);
        using var client = clients.CreateClient(DurableHttpCaller.ActivityName);
        using var message = new HttpRequestMessage(new HttpMethod(input.Method), input.Uri);
        if (input.Content is not null)
        {
            message.Content = new StringContent(input.Content);
            message.Content.Headers.ContentType = null;
        }

        foreach (var (name, value) in input.Headers)
        {
            if (!message.Headers.TryAddWithoutValidation(name, value))
            {
                message.Content?.Headers.TryAddWithoutValidation(name, value);
            }
        }

        using var response = await client.SendAsync(message, limit.Token).ConfigureAwait(false);
        var status = (int)response.StatusCode;
        if (input.FailsOnStatus && (input.FailingStatuses?.Contains(status) ?? status >= 500))
        {
            throw new HttpRequestException($"{input.Method} {input.Uri.GetLeftPart(UriPartial.Path)} answered {status}.", null, response.StatusCode);
        }

        var headers = response.Headers.Concat(response.Content.Headers)
            .ToDictionary(h => h.Key, h => string.Join(", ", h.Value), StringComparer.OrdinalIgnoreCase);
        return new StoredResponse(response.StatusCode, headers, await response.Content.ReadAsStringAsync(limit.Token).ConfigureAwait(false));
    }
}
