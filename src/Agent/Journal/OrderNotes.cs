using Backup.AgentApi;

namespace Backup.Agent.Journal;

/// <summary>Durable notes, a file per order in a folder of their own. A note is there whole or not at all. Who calls says what a failure means.</summary>
internal sealed class OrderNotes(string folder)
{
    /// <summary>Where the note of an order lies, if there is one.</summary>
    public string PathOf(OrderId id) => Path.Combine(folder, id.Value);

    /// <summary>Writes a note; one that is there is replaced. Once this returns it survives a power loss.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It must not be written.</exception>
    public void Write(OrderId id, Action<Stream> write)
    {
        Directory.CreateDirectory(folder);
        // Order ids never start with a dot, so this name is nobody's note.
        var unfinished = Path.Combine(folder, $".{id.Value}");
        using (var file = new FileStream(unfinished, FileMode.Create, FileAccess.Write, FileShare.None))
        {
            write(file);
            file.Flush(flushToDisk: true);
        }

        File.Move(unfinished, PathOf(id), overwrite: true);
        FolderSync.Flush(folder);
    }

    /// <summary>Removes a note; nothing happens when there is none.</summary>
    public void Remove(OrderId id)
    {
        File.Delete(PathOf(id));
        FolderSync.Flush(folder);
    }

    /// <summary>Removes notes that were last written before an instant.</summary>
    public void RemoveOlderThan(DateTimeOffset instant)
    {
        Directory.CreateDirectory(folder);
        foreach (var note in new DirectoryInfo(folder).EnumerateFiles().Where(file => file.LastWriteTimeUtc < instant.UtcDateTime))
        {
            note.Delete();
        }
    }

    /// <summary>All notes. What a crash left unfinished is none.</summary>
    public IEnumerable<(OrderId Order, string Path)> List() => !Directory.Exists(folder) ? [] :
        new DirectoryInfo(folder).EnumerateFiles().Where(file => file.Name[0] != '.').Select(file => (OrderId.Parse(file.Name), file.FullName));
}
