using Backup.Agent.Jobs;
using Backup.Agent.Journal;
using Backup.Agent.Settings;
using Backup.AgentApi;

namespace Backup.Agent.Work;

/// <summary>
/// Durable notes that an order's target was empty when its restore began: after a crash the order runs again and finds its own
/// files there, which it may go on with, while it must not touch anybody else's.
/// </summary>
internal sealed class RestoreNotes(StateFolder state, TimeProvider time)
{
    private readonly string _folder = Path.Combine(state.Root, "restores");

    /// <summary>Whether what is in the target came from this order. Notes so, durably, when the target is empty now.</summary>
    /// <exception cref="IOException">The note cannot be written, or the target cannot be looked at.</exception>
    public bool OwnsTarget(OrderId id, string target)
    {
        var note = Path.Combine(_folder, id.Value);
        if (File.Exists(note))
        {
            return true;
        }

        if (Path.Exists(target) && Directory.EnumerateFileSystemEntries(target).Any())
        {
            return false;
        }

        Directory.CreateDirectory(_folder);
        RemoveOld();
        using (var file = new FileStream(note, FileMode.Create, FileAccess.Write, FileShare.None))
        {
            file.Flush(flushToDisk: true);
        }

        FolderSync.Flush(_folder);
        return true;
    }

    private void RemoveOld()
    {
        var old = time.GetUtcNow() - JobBook.KeptFor - TimeSpan.FromDays(1);
        foreach (var note in new DirectoryInfo(_folder).EnumerateFiles().Where(f => f.LastWriteTimeUtc < old.UtcDateTime))
        {
            note.Delete();
        }
    }
}
