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
    private readonly string _folder = Path.Combine(state.Root, "hooks");

    /// <exception cref="AgentException">The note cannot be written: then no hook may run.</exception>
    public void Keep(OrderId order, HookNote note)
    {
        try
        {
            Directory.CreateDirectory(_folder);
            // Order ids never start with a dot, so this name is nobody's note.
            var unfinished = Path.Combine(_folder, $".{order.Value}");
            using (var file = new FileStream(unfinished, FileMode.Create, FileAccess.Write, FileShare.None))
            {
                JsonSerializer.Serialize(file, note);
                file.Flush(flushToDisk: true);
            }

            File.Move(unfinished, NoteOf(order), overwrite: true);
            FolderSync.Flush(_folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw AgentException.OfJob(
                new Failure { Code = FailureCode.DiskFull, Message = $"No hook may run, because it cannot be noted: {e.Message}", Hint = "Free space in the agent's state folder.", IsTransient = true }, e);
        }
    }

    public void Remove(OrderId order)
    {
        File.Delete(NoteOf(order));
        FolderSync.Flush(_folder);
    }

    /// <summary>What earlier lives of the agent left to be undone.</summary>
    public IReadOnlyList<(OrderId Order, HookNote Note)> List() => !Directory.Exists(_folder) ? [] :
        [.. new DirectoryInfo(_folder).EnumerateFiles().Where(file => file.Name[0] != '.').Select(file => (OrderId.Parse(file.Name), JsonSerializer.Deserialize<HookNote>(File.ReadAllBytes(file.FullName))!))];

    private string NoteOf(OrderId order) => Path.Combine(_folder, order.Value);
}
