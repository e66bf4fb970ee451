using System.Net;
using System.Net.Http.Json;
using System.Text.Json;

namespace Backup.EndToEnd.Tests;

/// <summary>The Functions app's HTTP interface, with the function key and, where a person decides, that person's own.</summary>
internal sealed class HttpApi(RunningSystem system) : IDisposable
{
    private readonly HttpClient _http = new() { BaseAddress = system.Stack.FunctionsAddress };

    public async Task<Reply> CallAsync(HttpMethod method, string path, object? body = null, string? administrator = null)
    {
        using var request = new HttpRequestMessage(method, new Uri(path, UriKind.Relative)) { Content = body is null ? null : JsonContent.Create(body) };
        request.Headers.Add("x-functions-key", await File.ReadAllTextAsync(system.Stack.Secrets.FunctionKey, RunningSystem.Cancel));
        if (administrator is not null)
        {
            request.Headers.Add("x-administrator-key", administrator);
        }

        using var answer = await _http.SendAsync(request, RunningSystem.Cancel);
        return new Reply(answer.StatusCode, await answer.Content.ReadFromJsonAsync<JsonElement>(RunningSystem.Cancel));
    }

    public void Dispose() => _http.Dispose();
}

internal sealed record Reply(HttpStatusCode Status, JsonElement Body)
{
    public string Text(string name) => Body.TryGetProperty(name, out var value) ? value.GetString()! : throw new InvalidOperationException($"{Status}: {Body.GetRawText()}");

    public int Number(string name) => Body.GetProperty(name).GetInt32();
}
