using System.Globalization;
using System.Text;
using Backup.Sources.Posix;

namespace Backup.Sources.Postgres;

/// <summary>A tablespace outside of the data directory.</summary>
/// <param name="ObjectId">The name of its link in pg_tblspc.</param>
/// <param name="Location">Where it is.</param>
/// <param name="Files">What is in it.</param>
internal sealed record Tablespace(uint ObjectId, string Location, ClusterDirectory Files);

/// <summary>Lists what a physical backup takes, by <see cref="ClusterRules"/>. Files that appear later come back from the log.</summary>
internal sealed class ClusterListing(ServerFacts server)
{
    internal const string ControlFilePath = "global/pg_control";

    private readonly List<Tablespace> _tablespaces = [];

    internal IReadOnlyList<Tablespace> Tablespaces => _tablespaces;

    /// <exception cref="SourcesException">Something in the data directory cannot be listed.</exception>
    internal ClusterDirectory Read()
    {
        var error = SafePath.OpenDirectory(server.DataDirectory, out var data);
        return error.IsError ? throw error.Failure("open", server.DataDirectory) : Read(data!, "");
    }

    private ClusterDirectory Read(Descriptor opened, string path)
    {
        var error = opened.Status(out var status);
        List<DirectoryEntry> entries = [];
        if (!error.IsError)
            error = DirectoryListing.Read(opened, out entries);
        if (error.IsError)
        {
            opened.Dispose();
            throw error.Failure("list", $"{server.DataDirectory}/{path}");
        }

        var directory = new ClusterDirectory(opened, path, status);
        if (ClusterRules.IsEmptied(path))
            return directory;
        var unlogged = ClusterRules.HoldsRelations(path) ? ClusterRules.UnloggedRelations(entries) : null;
        try
        {
            foreach (var entry in entries)
                Take(directory, entry, unlogged);
        }
        catch
        {
            directory.Dispose();
            throw;
        }

        return directory;
    }

    private void Take(ClusterDirectory directory, DirectoryEntry entry, HashSet<uint>? unlogged)
    {
        var name = ByteText.Display(entry.Name);
        var path = directory.Path.Length == 0 ? name : $"{directory.Path}/{name}";
        if (ClusterRules.IsLeftOut(path, entry.Name) || directory.Opened.Status(entry.Name, out var status).IsError)
            return;
        switch (status.Type)
        {
            case FileType.SymbolicLink when directory.Path == ClusterRules.TablespaceDirectory:
                TakeTablespace(directory, entry.Name, name);
                break;
            // The log directory may be a link to another disk.
            case FileType.SymbolicLink when path == ClusterRules.WalDirectory:
            case FileType.Directory:
                if (directory.Path != ClusterRules.WalDirectory || ClusterRules.IsWalSubdirectory(name))
                    TakeDirectory(directory, entry.Name, name, path);
                break;
            case FileType.Regular when directory.Path != ClusterRules.WalDirectory && !directory.Path.StartsWith(ClusterRules.WalDirectory + "/", StringComparison.Ordinal):
                RelationFileName? relation = unlogged is not null && RelationFileName.TryParse(entry.Name, out var parsed) ? parsed : null;
                if (path != ControlFilePath && (relation is null || !ClusterRules.IsTransient(relation.Value, unlogged!)))
                    directory.Files.Add(new ClusterFile(directory, entry.Name, relation, status.Size));
                break;
        }
    }

    private void TakeDirectory(ClusterDirectory parent, byte[] name, string shownName, string path)
    {
        // A link is followed for pg_wal only; anything else was seen to be a directory, and is opened as one.
        var error = path == ClusterRules.WalDirectory
            ? Descriptor.Open(parent.Opened.Number, name, Libc.ReadOnly | Libc.DirectoryOnly, 0, out var opened)
            : parent.Opened.OpenDirectory(name, out opened);
        if (error.IsVanished)
            return;
        if (error.IsError)
            throw error.Failure("open", $"{server.DataDirectory}/{path}");
        parent.Directories.Add(shownName, Read(opened!, path));
    }

    private void TakeTablespace(ClusterDirectory links, byte[] name, string shownName)
    {
        if (!uint.TryParse(shownName, NumberStyles.None, CultureInfo.InvariantCulture, out var objectId))
            return;
        var error = links.Opened.ReadLink(name, out var target);
        Descriptor? opened = null;
        if (!error.IsError)
            error = Descriptor.Open(links.Opened.Number, name, Libc.ReadOnly | Libc.DirectoryOnly, 0, out opened);
        if (error.IsVanished)
            return;
        var location = Encoding.UTF8.GetString(target);
        if (error.IsError)
            throw error.Failure("open the tablespace", location);
        // Two major versions may share a location; only this cluster's folder is ours.
        var version = ByteText.Encode(string.Create(CultureInfo.InvariantCulture, $"PG_{server.VersionNumber / 10000}_{server.CatalogVersion}"));
        _ = opened!.Status(out var status);
        var tablespace = new ClusterDirectory(opened, $"{ClusterRules.TablespaceDirectory}/{shownName}", status);
        _tablespaces.Add(new Tablespace(objectId, location, tablespace));
        if (!opened.OpenDirectory(version, out var files).IsError)
            tablespace.Directories.Add(Encoding.UTF8.GetString(version), Read(files!, $"{tablespace.Path}/{Encoding.UTF8.GetString(version)}"));
    }
}
