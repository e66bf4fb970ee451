using System.Text.Json;
using Backup.Agent.Jobs;
using Backup.Agent.Journal;
using Backup.Agent.Settings;
using Backup.AgentApi;

namespace Backup.Agent.Work;

/// <summary>
/// Durable notes about restores, one file per order. An empty note says that the target was empty when the restore began: after a
/// crash the order runs again and finds its own files there, which it may go on with, while it must not touch anybody else's. A note
/// with a result says that the restore was complete: whoever started the restored database since must not find it restored again.
/// </summary>
internal sealed class RestoreNotes(StateFolder state, TimeProvider time)
{
    private readonly OrderNotes _notes = new(Path.Combine(state.Root, "restores"));

    /// <summary>What a complete restore of this order reported; null when there was none.</summary>
    /// <exception cref="AgentException">The note cannot be read.</exception>
    public RestoreResult? FindResult(OrderId id) => Guard(() =>
    {
        var note = new FileInfo(_notes.PathOf(id));
        return note is { Exists: true, Length: > 0 } ? JsonSerializer.Deserialize<RestoreResult>(File.ReadAllBytes(note.FullName)) : null;
    });

    /// <summary>Whether what is in the target came from this order. Notes so, durably, when the target is empty now.</summary>
    /// <exception cref="AgentException">The note cannot be written, or the target cannot be looked at.</exception>
    public bool OwnsTarget(OrderId id, string target) => Guard(() =>
    {
        if (HasBegun(id))
        {
            return true;
        }

        if (Path.Exists(target) && Directory.EnumerateFileSystemEntries(target).Any())
        {
            return false;
        }

        _notes.RemoveOlderThan(time.GetUtcNow() - JobBook.KeptFor - TimeSpan.FromDays(1));
        _notes.Write(id, _ => { });
        return true;
    });

    /// <summary>Whether this order has written into its target, which was empty before.</summary>
    public bool HasBegun(OrderId id) => File.Exists(_notes.PathOf(id));

    /// <summary>Notes that the restore is complete.</summary>
    /// <exception cref="AgentException">The note cannot be written.</exception>
    public void KeepResult(OrderId id, RestoreResult result) => Guard(() =>
    {
        _notes.Write(id, file => JsonSerializer.Serialize(file, result));
        return true;
    });

    private static T Guard<T>(Func<T> call)
    {
        try
        {
            return call();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw AgentException.OfJob(
                new Failure
                {
                    Code = FailureCode.TargetUnusable,
                    Message = $"The restore cannot begin or be noted: {e.Message}",
                    Hint = "Check the target, and the agent's state folder, on the agent's machine.",
                },
                e);
        }
    }
}
