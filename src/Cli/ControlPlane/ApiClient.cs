using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Backup.Cli.Output;

namespace Backup.Cli.ControlPlane;

/// <summary>A problem as the control plane tells it (RFC 9457): what was wrong, and what to do.</summary>
internal sealed record ApiProblem(string Title, string Detail);

/// <summary>Calls the control plane's HTTP interface. Every failure becomes one that says what to do.</summary>
internal sealed class ApiClient : IDisposable
{
    private const int AnswerBytesMax = 4 * 1024 * 1024;

    // Changes of keys wait for agents, each for as long as the relay waits for one: a minute.
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(100);

    private readonly HttpClient _http;

    /// <param name="address">Where.</param>
    /// <param name="key">A function or admin key.</param>
    /// <param name="administratorKey">The key of the person who decides; null for none.</param>
    public ApiClient(Uri address, string key, string? administratorKey)
    {
        _http = new HttpClient { BaseAddress = new Uri(address.AbsoluteUri.TrimEnd('/') + "/api/"), Timeout = AnswerLimit, MaxResponseContentBufferSize = AnswerBytesMax };
        _http.DefaultRequestHeaders.Add("x-functions-key", key);
        if (administratorKey is not null)
        {
            _http.DefaultRequestHeaders.Add("x-administrator-key", administratorKey);
        }
    }

    public Task<TAnswer> GetAsync<TAnswer>(string path, JsonTypeInfo<TAnswer> type, CancellationToken cancel) =>
        SendAsync(new HttpRequestMessage(HttpMethod.Get, new Uri(path, UriKind.Relative)), type, cancel);

    public Task<TAnswer> PostAsync<TBody, TAnswer>(string path, TBody body, JsonTypeInfo<TBody> bodyType, JsonTypeInfo<TAnswer> type, CancellationToken cancel) =>
        SendAsync(new HttpRequestMessage(HttpMethod.Post, new Uri(path, UriKind.Relative)) { Content = JsonContent.Create(body, bodyType) }, type, cancel);

    public void Dispose() => _http.Dispose();

    private async Task<TAnswer> SendAsync<TAnswer>(HttpRequestMessage request, JsonTypeInfo<TAnswer> type, CancellationToken cancel)
    {
        using (request)
        {
            try
            {
                using var answer = await _http.SendAsync(request, cancel).ConfigureAwait(false);
                if (!answer.IsSuccessStatusCode)
                {
                    throw await ProblemAsync(answer, cancel).ConfigureAwait(false);
                }

                return await answer.Content.ReadFromJsonAsync(type, cancel).ConfigureAwait(false) ?? throw new JsonException("null");
            }
            catch (Exception e) when (e is HttpRequestException || (e is TaskCanceledException && !cancel.IsCancellationRequested))
            {
                throw new CliException(
                    CliFault.Unavailable, $"The control plane at {_http.BaseAddress!.GetLeftPart(UriPartial.Authority)} does not answer: {e.Message}", "Check the address and whether the Functions app runs.", e);
            }
            catch (JsonException e)
            {
                throw Foreign(HttpStatusCode.OK, e);
            }
        }
    }

    private static async Task<CliException> ProblemAsync(HttpResponseMessage answer, CancellationToken cancel)
    {
        var fault = answer.StatusCode switch
        {
            HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => CliFault.AccessDenied,
            HttpStatusCode.NotFound => CliFault.NotFound,
            HttpStatusCode.Conflict => CliFault.Conflict,
            HttpStatusCode.BadRequest => CliFault.OptionInvalid,
            _ => CliFault.Unavailable,
        };
        try
        {
            if (await answer.Content.ReadFromJsonAsync(CliJson.Default.ApiProblem, cancel).ConfigureAwait(false) is { Title: not null } problem)
            {
                return new CliException(fault, problem.Title, problem.Detail ?? "");
            }
        }
        catch (JsonException)
        {
            // No problem document: the host itself refused, or something else answers there.
        }

        return fault == CliFault.AccessDenied
            ? new CliException(fault, "The control plane refuses the key.", "Looking needs a function key, inviting agents and changing keys an admin key: the ones the Functions app was configured with.")
            : Foreign(answer.StatusCode, null);
    }

    private static CliException Foreign(HttpStatusCode status, Exception? cause) =>
        new(CliFault.Unavailable, $"What answers there is no control plane of this release (status {(int)status}).", "Check the address.", cause);
}
