using System.Text.Json;
using System.Text.Json.Serialization;
using Backup.Agent.Journal;
using Backup.Agent.Settings;
using Backup.AgentApi;

namespace Backup.Agent.Hooks;

/// <summary>What is still to be undone for an order whose first hook may have begun.</summary>
internal sealed record HookNote
{
    [JsonPropertyName("v")] public int Version { get; init; } = 1;

    [JsonPropertyName("asset")] public required string Asset { get; init; }

    [JsonPropertyName("run")] public required string Run { get; init; }

    [JsonPropertyName("after")] public required IReadOnlyList<string> After { get; init; }
}

/// <summary>
/// The journal of hooks: a file per order, durable before the first hook runs, gone when everything after it has run well. Whoever finds one after a
/// crash knows that an application may be held.
/// </summary>
internal sealed class HookNotes(StateFolder state)
{
    private readonly OrderNotes _notes = new(Path.Combine(state.Root, "hooks"));

    /// <exception cref="AgentException">The note cannot be written: then no hook may run.</exception>
    public void Keep(OrderId order, HookNote note)
    {
        try
        {
            _notes.Write(order, file => JsonSerializer.Serialize(file, note));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw AgentException.OfJob(
                new Failure { Code = FailureCode.DiskFull, Message = $"No hook may run, because it cannot be noted: {e.Message}", Hint = "Free space in the agent's state folder.", IsTransient = true }, e);
        }
    }

    public void Remove(OrderId order) => _notes.Remove(order);

    /// <summary>What earlier lives of the agent left to be undone.</summary>
    public IReadOnlyList<(OrderId Order, HookNote Note)> List() =>
        [.. _notes.List().Select(found => (found.Order, JsonSerializer.Deserialize<HookNote>(File.ReadAllBytes(found.Path))!))];
}
