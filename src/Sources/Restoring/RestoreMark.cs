using Backup.Sources.Posix;
using Backup.Vault;

namespace Backup.Sources.Restoring;

/// <summary>
/// A small file in the target while a restore is at work. A target that is not empty but carries the mark of the same snapshot is what a
/// killed restore left, and may be continued; no other is touched without being told to.
/// </summary>
internal static class RestoreMark
{
    private static ReadOnlySpan<byte> Name => ".restore-in-progress"u8;

    /// <summary>True when this continues an interrupted restore of the same snapshot.</summary>
    /// <exception cref="SourcesException">TargetNotEmpty.</exception>
    internal static bool Check(Descriptor target, string path, SnapshotId snapshot, bool mayOverwrite)
    {
        var error = DirectoryListing.Read(target, out var entries);
        if (error.IsError)
            throw error.Failure("list", path);
        if (entries.Count == 0)
            return false;
        var isOurs = Read(target) == snapshot.ToString();
        if (!isOurs && !mayOverwrite)
        {
            throw new SourcesException(
                SourcesFault.TargetNotEmpty,
                $"The target {path} is not empty.",
                "Choose an empty folder, or allow overwriting (--overwrite): then what differs is brought to the snapshot's state.");
        }

        // With overwriting, files may have the right times without ever having been restored.
        return isOurs && !mayOverwrite;
    }

    internal static void Set(Descriptor target, string path, SnapshotId snapshot)
    {
        _ = target.RemoveFile(Name);
        var error = target.OpenForWriting(Name, create: true, out var file);
        using (file)
        {
            if (!error.IsError)
                error = file!.Write(System.Text.Encoding.ASCII.GetBytes(snapshot.ToString()), 0);
            if (error.IsError)
                throw error.Failure("write into", path);
        }
    }

    internal static void Clear(Descriptor target, string path)
    {
        var error = target.RemoveFile(Name);
        if (error.IsError && error != Errno.NoEntry)
            throw error.Failure("remove the restore mark in", path);
    }

    private static string Read(Descriptor target)
    {
        if (target.OpenForReading(Name, out var file).IsError)
            return "";
        using (file)
        {
            var content = new byte[128];
            return file!.ReadFully(content, 0, out var count).IsError ? "" : System.Text.Encoding.ASCII.GetString(content.AsSpan(0, count));
        }
    }
}
