using System.Text;
using Backup.Sources.Posix;
using Backup.Vault;

namespace Backup.Sources.Restoring;

/// <summary>What a restore's mark in the target says.</summary>
internal enum RestoreMarkState
{
    /// <summary>Nothing, or another snapshot's: files on disk say nothing about what was restored.</summary>
    None,

    /// <summary>A restore of this snapshot was interrupted, and the machine ran on: what has the right size and time is finished.</summary>
    Interrupted,

    /// <summary>
    /// As above, but size and time prove nothing: the power may have failed, which can take bytes of files that look finished, or files that
    /// were there before may look so.
    /// </summary>
    InterruptedUnsure,
}

/// <summary>
/// A small file in the target while a restore is at work and until what it wrote is durable. A target that is not empty but carries the
/// mark of the same snapshot is what an interrupted restore left, and may be continued; no other is touched without being told to.
/// It holds the snapshot and, where everything in the target is this restore's, the machine's boot.
/// </summary>
internal static class RestoreMark
{
    internal const string FileName = ".restore-in-progress";

    private static ReadOnlySpan<byte> Name => ".restore-in-progress"u8;

    private static ReadOnlySpan<byte> UnfinishedName => ".restore-in-progress.new"u8;

    /// <summary>Whether this continues an interrupted restore of the same snapshot.</summary>
    /// <exception cref="SourcesException">TargetNotEmpty.</exception>
    internal static RestoreMarkState Check(Descriptor target, string path, SnapshotId snapshot, bool mayOverwrite)
    {
        var error = DirectoryListing.Read(target, out var entries);
        if (error.IsError)
            throw error.Failure("list", path);
        // A restore that died before its first mark has written nothing else.
        if (entries.TrueForAll(entry => UnfinishedName.SequenceEqual(entry.Name)))
            return RestoreMarkState.None;
        var mark = Read(target).Split('\n');
        var isOurs = mark[0] == snapshot.ToString();
        if (!isOurs && !mayOverwrite)
        {
            throw new SourcesException(
                SourcesFault.TargetNotEmpty,
                $"The target {path} is not empty.",
                "Choose an empty folder, or allow overwriting ('backupctl restore --overwrite', 'restore-postgres --delta'): then what differs is brought to the snapshot's state.");
        }

        // With overwriting, files may have the right times without ever having been restored.
        if (!isOurs || mayOverwrite)
            return RestoreMarkState.None;
        return mark.Length > 1 && mark[1].Length > 0 && mark[1] == Boot() ? RestoreMarkState.Interrupted : RestoreMarkState.InterruptedUnsure;
    }

    /// <summary>Durable when this returns: what follows can then never pass for a finished restore. An earlier mark holds until this one has taken its place.</summary>
    internal static void Set(Descriptor target, string path, SnapshotId snapshot, bool overwrites)
    {
        _ = target.RemoveFile(UnfinishedName);
        var error = target.OpenForWriting(UnfinishedName, create: true, out var file);
        using (file)
        {
            if (!error.IsError)
                error = file!.Write(Encoding.ASCII.GetBytes($"{snapshot}\n{(overwrites ? "" : Boot())}\n"), 0);
            if (!error.IsError)
                error = file!.Sync();
            if (!error.IsError)
                error = target.Rename(UnfinishedName, Name);
            if (!error.IsError)
                error = target.Sync();
            if (error.IsError)
                throw error.Failure("write into", path);
        }
    }

    /// <summary>After everything else is durable.</summary>
    internal static void Clear(Descriptor target, string path)
    {
        var error = target.RemoveFile(Name);
        if (!error.IsError)
            error = target.Sync();
        if (error.IsError && error != Errno.NoEntry)
            throw error.Failure("remove the restore mark in", path);
    }

    /// <summary>Changes with every start of the machine; empty where the kernel does not tell.</summary>
    private static string Boot()
    {
        const string path = "/proc/sys/kernel/random/boot_id";
        return File.Exists(path) ? File.ReadAllText(path).Trim() : "";
    }

    private static string Read(Descriptor target)
    {
        if (target.OpenForReading(Name, out var file).IsError)
            return "";
        using (file)
        {
            var content = new byte[256];
            return file!.ReadFully(content, 0, out var count).IsError ? "" : Encoding.ASCII.GetString(content.AsSpan(0, count));
        }
    }
}
