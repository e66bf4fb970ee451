using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Shouldly;

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

    /// <summary>Asks for a backup of a whole group.</summary>
    /// <returns>The group point's id.</returns>
    public async Task<string> BackUpGroupAsync(string group)
    {
        Reply? started = null;
        // Another test's backup of a member may be about to end.
        await RunningSystem.UntilAsync(async () => (started = await CallAsync(HttpMethod.Post, "api/backups", new { group, slot = Guid.NewGuid().ToString("N")[..16] })).Status is not HttpStatusCode.Conflict);
        started!.Status.ShouldBe(HttpStatusCode.Accepted, started.Body.GetRawText());
        return started.Text("id");
    }

    /// <summary>Waits for a group point, or how its backup ended without one.</summary>
    public async Task<Reply> GroupPointAsync(string id)
    {
        Reply? shown = null;
        await RunningSystem.UntilAsync(async () =>
        {
            shown = await CallAsync(HttpMethod.Get, $"api/group-points/{id}");
            return shown.Status is HttpStatusCode.OK && (!shown.Body.TryGetProperty("state", out var state) || state.GetString() is not ("running" or "queued"));
        });
        return shown!;
    }

    public void Dispose() => _http.Dispose();
}

internal sealed record Reply(HttpStatusCode Status, JsonElement Body)
{
    public string Text(string name) => Body.TryGetProperty(name, out var value) ? value.GetString()! : throw new InvalidOperationException($"{Status}: {Body.GetRawText()}");

    public int Number(string name) => Body.GetProperty(name).GetInt32();
}
