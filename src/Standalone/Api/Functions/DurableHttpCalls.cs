using System.Net;
using Backup.Standalone.Http;
using Microsoft.Azure.Functions.Worker.Extensions.DurableTask.Http;
using Microsoft.Extensions.Primitives;

namespace Microsoft.Azure.Functions.Worker.Extensions.DurableTask.Http
{
    /// <summary>An HTTP request that an orchestration makes durably.</summary>
    public class DurableHttpRequest
    {
        /// <summary>A request.</summary>
        public DurableHttpRequest(HttpMethod method, Uri uri)
        {
            ArgumentNullException.ThrowIfNull(method);
            ArgumentNullException.ThrowIfNull(uri);
            Method = method;
            Uri = uri;
        }

        /// <summary>The method.</summary>
        public HttpMethod Method { get; }

        /// <summary>The address.</summary>
        public Uri Uri { get; }

        /// <summary>The headers.</summary>
        public IDictionary<string, StringValues>? Headers { get; set; }

        /// <summary>The body.</summary>
        public string? Content { get; set; }

        /// <summary>Whether 202 answers with a <c>Location</c> are polled until the work is done. Default true.</summary>
        public bool AsynchronousPatternEnabled { get; set; } = true;

        /// <summary>How failures are retried; null: not at all.</summary>
        public HttpRetryOptions? HttpRetryOptions { get; set; }

        /// <summary>How long one attempt may take; null: 100 s.</summary>
        public TimeSpan? Timeout { get; set; }
    }

    /// <summary>The answer to a <see cref="DurableHttpRequest"/>.</summary>
    public class DurableHttpResponse
    {
        /// <summary>An answer.</summary>
        public DurableHttpResponse(HttpStatusCode statusCode) => StatusCode = statusCode;

        /// <summary>The status.</summary>
        public HttpStatusCode StatusCode { get; }

        /// <summary>The headers.</summary>
        public IDictionary<string, StringValues>? Headers { get; init; }

        /// <summary>The body.</summary>
        public string? Content { get; init; }
    }

    /// <summary>How failed requests are retried.</summary>
    public class HttpRetryOptions
    {
        /// <summary>Retries.</summary>
        /// <param name="statusCodesToRetry">The statuses that count as failures; null or none: all of 500 and above.</param>
        public HttpRetryOptions(IList<HttpStatusCode>? statusCodesToRetry = null) => StatusCodesToRetry = statusCodesToRetry ?? [];

        /// <summary>The wait before the first retry; more than zero.</summary>
        public TimeSpan FirstRetryInterval { get; set; }

        /// <summary>The longest wait. Default 6 days.</summary>
        public TimeSpan MaxRetryInterval { get; set; } = TimeSpan.FromDays(6);

        /// <summary>The factor from each wait to the next. Default 1.</summary>
        public double BackoffCoefficient { get; set; } = 1;

        /// <summary>When to stop trying, since the first attempt. Default: never.</summary>
        public TimeSpan RetryTimeout { get; set; } = TimeSpan.MaxValue;

        /// <summary>How often to try in all.</summary>
        public int MaxNumberOfAttempts { get; set; }

        /// <summary>The statuses that count as failures; none: all of 500 and above.</summary>
        public IList<HttpStatusCode> StatusCodesToRetry { get; }
    }
}

namespace Microsoft.DurableTask
{
    /// <summary>HTTP requests of orchestrations.</summary>
    public static class TaskOrchestrationContextExtensionMethods
    {
        /// <summary>Makes an HTTP request durably: it is made by an activity, and its answer stands in the history.</summary>
        /// <exception cref="TaskFailedException">No answer came, and the retries were used up.</exception>
        public static Task<DurableHttpResponse> CallHttpAsync(this TaskOrchestrationContext context, DurableHttpRequest request)
        {
            ArgumentNullException.ThrowIfNull(context);
            ArgumentNullException.ThrowIfNull(request);
            return DurableHttpCaller.CallAsync(context, request);
        }

        /// <summary>Makes an HTTP request durably: it is made by an activity, and its answer stands in the history.</summary>
        /// <exception cref="TaskFailedException">No answer came, and the retries were used up.</exception>
        public static Task<DurableHttpResponse> CallHttpAsync(
            this TaskOrchestrationContext context, HttpMethod method, Uri uri, string? content = null, HttpRetryOptions? retryOptions = null) =>
            context.CallHttpAsync(new DurableHttpRequest(method, uri) { Content = content, HttpRetryOptions = retryOptions });
    }
}
