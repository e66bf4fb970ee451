using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Backup.LocalStack.Run;

/// <summary>A run as the Functions app tells of it. One that was only just asked for has neither asset nor recovery point yet.</summary>
internal sealed record RunInfo(string Id, string? Asset, string State, DateTimeOffset OpenedAt, DateTimeOffset? EndedAt, ReasonInfo? Reason, string? RecoveryPoint, string? RequestedBy = null)
{
    private static readonly string[] FinalStates = ["succeeded", "partial", "failed", "cancelled", "ended"];

    public bool HasEnded => FinalStates.Contains(State);
}

/// <summary>Why something did not succeed.</summary>
internal sealed record ReasonInfo(string Code, string Text, string Hint);

/// <summary>A recovery point as the Functions app tells of it.</summary>
internal sealed record RecoveryPointInfo(string Id, string Asset, string Run, DateTimeOffset Instant, DateTimeOffset ReadingBeganAt, long BytesRead, long BytesNew, long BytesStored,
    long FilesTotal, long FilesUnreadableTotal, IReadOnlyList<ReplicaInfo> Replicas);

/// <summary>A copy of a recovery point in one tier.</summary>
internal sealed record ReplicaInfo(string Tier, string State, long? BytesTotal, long? BytesCopied);

/// <summary>A restore as the Functions app tells of it.</summary>
internal sealed record RestoreInfo(string Id, string State, DateTimeOffset? EndedAt, ReasonInfo? Reason, RtoInfo? Rto = null, ProofInfo? Proof = null)
{
    public bool HasEnded => State is "succeeded" or "partial" or "failed" or "cancelled" or "ended";
}

/// <summary>The recovery time that a proof measured.</summary>
internal sealed record RtoInfo(double? SecondsToConsistent, double SecondsToChecked, double? LimitSeconds, bool? IsWithinLimit);

/// <summary>What proving a restored database showed.</summary>
internal sealed record ProofInfo(bool IsProven, int TablesEqual, int TablesSampled, int TablesChanged, long RowsCompared, int? IndexesChecked, long? PagesChecked,
    IReadOnlyList<ProofAnswerInfo> Checks, IReadOnlyList<ProofFindingInfo> Findings);

/// <summary>How a check of the policy was answered.</summary>
internal sealed record ProofAnswerInfo(string Name, bool Passed, string Answer);

/// <summary>Something that a proof found wrong.</summary>
internal sealed record ProofFindingInfo(string Step, string Text);

/// <summary>What to restore where.</summary>
internal sealed record RestoreWish(string Asset, string Target, string? RecoveryPoint = null, string? From = null, string? RecoverTo = null, bool Prove = false);

/// <summary>An asset as the Functions app tells of it.</summary>
internal sealed record AssetInfo(string Name, double? RpoSeconds, RpoInfo? Rpo);

/// <summary>How old the newest restorable moment of a database is whose log is received.</summary>
internal sealed record RpoInfo(DateTimeOffset? RestorableAt, double? AgeSeconds, double? LimitSeconds, string? State);

/// <summary>The HTTP interface of the Functions app, as an administrator's script would use it.</summary>
internal sealed class ControlPlane(Uri address, string functionKey, TimeProvider time) : IDisposable
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(250);

    private readonly HttpClient _http = new() { BaseAddress = address, DefaultRequestHeaders = { { "x-functions-key", functionKey } } };

    public async Task<IReadOnlyList<RunInfo>> RunsAsync(string? asset, CancellationToken cancel) =>
        (await GetAsync<Page<RunInfo>>("api/runs?limit=100" + Filter(asset), cancel).ConfigureAwait(false)).Items;

    public Task<RunInfo> RunAsync(string id, CancellationToken cancel) => GetAsync<RunInfo>($"api/runs/{Uri.EscapeDataString(id)}", cancel);

    public async Task<IReadOnlyList<RecoveryPointInfo>> RecoveryPointsAsync(string? asset, CancellationToken cancel) =>
        (await GetAsync<Page<RecoveryPointInfo>>("api/recovery-points?limit=100" + Filter(asset), cancel).ConfigureAwait(false)).Items;

    public Task<AssetInfo> AssetAsync(string name, CancellationToken cancel) => GetAsync<AssetInfo>($"api/assets/{Uri.EscapeDataString(name)}", cancel);

    public Task<RestoreInfo> RestoreAsync(string id, CancellationToken cancel) => GetAsync<RestoreInfo>($"api/restores/{Uri.EscapeDataString(id)}", cancel);

    /// <summary>Asks for a backup; the same asset and slot are the same request.</summary>
    /// <returns>The run's id.</returns>
    public async Task<string> StartBackupAsync(string asset, string slot, CancellationToken cancel) =>
        (await PostAsync("api/backups", new { asset, slot }, cancel).ConfigureAwait(false)).GetProperty("id").GetString()!;

    /// <summary>Restores, and waits for the end.</summary>
    public async Task<RestoreInfo> RestoreToEndAsync(RestoreWish wish, Action<string> say, CancellationToken cancel)
    {
        var id = (await PostAsync("api/restores", wish, cancel).ConfigureAwait(false)).GetProperty("id").GetString()!;
        var restore = await RestoreAsync(id, cancel).ConfigureAwait(false);
        while (!restore.HasEnded)
        {
            say(restore.State);
            await Task.Delay(PollInterval, time, cancel).ConfigureAwait(false);
            restore = await RestoreAsync(id, cancel).ConfigureAwait(false);
        }

        return restore;
    }

    public void Dispose() => _http.Dispose();

    private static string Filter(string? asset) => asset is null ? string.Empty : "&asset=" + Uri.EscapeDataString(asset);

    private async Task<T> GetAsync<T>(string path, CancellationToken cancel)
    {
        using var answer = await _http.GetAsync(new Uri(path, UriKind.Relative), cancel).ConfigureAwait(false);
        await RequireSuccessAsync(answer, "GET " + path, cancel).ConfigureAwait(false);
        return (await answer.Content.ReadFromJsonAsync<T>(Json, cancel).ConfigureAwait(false))!;
    }

    private async Task<JsonElement> PostAsync<T>(string path, T body, CancellationToken cancel)
    {
        using var answer = await _http.PostAsJsonAsync(new Uri(path, UriKind.Relative), body, Json, cancel).ConfigureAwait(false);
        await RequireSuccessAsync(answer, "POST " + path, cancel).ConfigureAwait(false);
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Json, cancel).ConfigureAwait(false);
    }

    private static async Task RequireSuccessAsync(HttpResponseMessage answer, string request, CancellationToken cancel)
    {
        if (!answer.IsSuccessStatusCode)
        {
            throw new LocalStackException(LocalStackFault.UnexpectedResult,
                $"{request} was answered {(int)answer.StatusCode}: {await answer.Content.ReadAsStringAsync(cancel).ConfigureAwait(false)}", "The log of the Functions app says more.");
        }
    }

    private sealed record Page<T>(IReadOnlyList<T> Items);
}
