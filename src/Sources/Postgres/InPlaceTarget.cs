using System.Globalization;
using Backup.Sources.Restoring;
using Backup.Vault;
using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres;

/// <summary>A data directory that holds a stopped cluster, and is brought to a snapshot's state by writing only what differs.</summary>
internal static class InPlaceTarget
{
    /// <summary>Refuses what must not be overwritten: a running server, another cluster, log on another disk.</summary>
    /// <exception cref="SourcesException">TargetNotEmpty or WrongCluster.</exception>
    internal static void Check(string target, SnapshotInfo snapshot)
    {
        if (!Directory.Exists(target) || !Directory.EnumerateFileSystemEntries(target).Any())
            return;
        if (RunningServer(target) is { } process)
        {
            throw new SourcesException(
                SourcesFault.TargetNotEmpty, $"A server (process {process}) runs on {target}.", "Stop it first, and make sure that nothing starts it again.");
        }

        if (new DirectoryInfo(Path.Combine(target, ClusterRules.WalDirectory)).LinkTarget is not null)
        {
            throw new SourcesException(
                SourcesFault.TargetNotEmpty, $"{target}/{ClusterRules.WalDirectory} is a link to another place.", "Restore to an empty folder, and move the log afterwards.");
        }

        var control = Path.Combine(target, ClusterListing.ControlFilePath);
        if (!File.Exists(control))
        {
            // What an interrupted restore in place leaves; RestoreMark tells whether it is one.
            if (File.Exists(Path.Combine(target, RestoreMark.FileName)))
                return;
            throw new SourcesException(SourcesFault.TargetNotEmpty, $"{target} holds something, but no PostgreSQL cluster.", "Choose an empty folder, or the data directory of this cluster.");
        }

        var found = ControlFile.SystemIdentifier(File.ReadAllBytes(control)).ToString(CultureInfo.InvariantCulture);
        if (snapshot.SealedProperties.GetValueOrDefault("system-identifier") is { } wanted && found != wanted)
        {
            throw new SourcesException(
                SourcesFault.WrongCluster, $"{target} holds cluster {found}, but the snapshot is of cluster {wanted}.", "Choose an empty folder, or the data directory of this cluster.");
        }
    }

    /// <summary>Without it no server starts there until the restore is complete.</summary>
    internal static void MakeUnstartable(string target) => File.Delete(Path.Combine(target, ClusterListing.ControlFilePath));

    /// <summary>Where the cluster's tablespaces are now: they are restored there unless told otherwise.</summary>
    internal static Dictionary<uint, string> Tablespaces(string target)
    {
        var links = new DirectoryInfo(Path.Combine(target, ClusterRules.TablespaceDirectory));
        return !links.Exists ? [] : links.EnumerateDirectories()
            .Where(link => link.LinkTarget is not null && uint.TryParse(link.Name, NumberStyles.None, CultureInfo.InvariantCulture, out _))
            .ToDictionary(link => uint.Parse(link.Name, CultureInfo.InvariantCulture), link => Path.GetFullPath(link.LinkTarget!, links.FullName));
    }

    /// <summary>Removes what the snapshot does not have: the server would take leftovers, old log above all, for its own.</summary>
    /// <param name="reader">Reads the snapshot's trees.</param>
    /// <param name="tree">What belongs there.</param>
    /// <param name="folder">The folder on disk.</param>
    /// <param name="isShared">At the top of a tablespace other clusters' folders are left alone.</param>
    /// <param name="cancel">Gives up.</param>
    internal static async Task RemoveRestAsync(VaultReader reader, TreeId tree, string folder, bool isShared, CancellationToken cancel)
    {
        var entries = (await reader.ReadTreeAsync(tree, cancel)).ToDictionary(entry => System.Text.Encoding.UTF8.GetString(entry.Name.Span));
        foreach (var found in new DirectoryInfo(folder).EnumerateFileSystemInfos())
        {
            cancel.ThrowIfCancellationRequested();
            var entry = entries.GetValueOrDefault(found.Name);
            var isFolder = found is DirectoryInfo && found.LinkTarget is null;
            if (entry is { Type: EntryType.Directory, Subtree: { } subtree } && isFolder)
                await RemoveRestAsync(reader, subtree, found.FullName, isShared: false, cancel);
            else if (entry is null && !isShared && found.Name != RestoreMark.FileName)
                Remove(found, isFolder);
        }
    }

    private static void Remove(FileSystemInfo found, bool isFolder)
    {
        if (isFolder)
            Directory.Delete(found.FullName, recursive: true);
        else
            found.Delete();
    }

    private static int? RunningServer(string target)
    {
        var file = Path.Combine(target, "postmaster.pid");
        return File.Exists(file) && int.TryParse(File.ReadLines(file).FirstOrDefault(), NumberStyles.None, CultureInfo.InvariantCulture, out var process) && Directory.Exists($"/proc/{process}")
            ? process
            : null;
    }
}
