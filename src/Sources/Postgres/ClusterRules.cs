using Backup.Sources.Posix;

namespace Backup.Sources.Postgres;

/// <summary>
/// What a physical backup leaves out, as the server's own base backup does: what the server makes anew when it starts, what belongs
/// to the running process, and relations whose content does not survive a crash anyway.
/// </summary>
internal static class ClusterRules
{
    private static readonly HashSet<string> EmptiedDirectories = new(StringComparer.Ordinal)
    {
        "pg_replslot", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots", "pg_stat_tmp", "pg_subtrans",
    };

    private static readonly HashSet<string> LeftOutAtTop = new(StringComparer.Ordinal)
    {
        "postmaster.pid", "postmaster.opts", "backup_label", "tablespace_map", "backup_manifest", "backup_label.old",
        "tablespace_map.old", "postgresql.auto.conf.tmp", "current_logfiles.tmp",
    };

    /// <summary>The log is copied apart, exactly the range that is needed.</summary>
    internal const string WalDirectory = "pg_wal";

    internal const string TablespaceDirectory = "pg_tblspc";

    /// <summary>Kept as a directory, without what is in it.</summary>
    internal static bool IsEmptied(string pathInCluster) => EmptiedDirectories.Contains(pathInCluster);

    /// <summary>Directories inside the log's own that the server expects to exist.</summary>
    internal static bool IsWalSubdirectory(string name) => name is "archive_status" or "summaries";

    internal static bool IsLeftOut(string pathInCluster, ReadOnlySpan<byte> name) =>
        LeftOutAtTop.Contains(pathInCluster) || name.StartsWith("pgsql_tmp"u8) || name.StartsWith("pg_internal.init"u8);

    /// <summary>True for the directories that hold relations: base/DATABASE, global, and tablespaces' VERSION/DATABASE.</summary>
    internal static bool HoldsRelations(string pathInCluster)
    {
        var parts = pathInCluster.Split('/');
        return parts is ["global"] or ["base", _] or [TablespaceDirectory, _, _, _];
    }

    /// <summary>
    /// The relation files of one directory that are left out: temporary relations, and every fork but the first of unlogged ones
    /// (those with an init fork): the server rebuilds them from it.
    /// </summary>
    internal static HashSet<uint> UnloggedRelations(IEnumerable<DirectoryEntry> entries)
    {
        var unlogged = new HashSet<uint>();
        foreach (var entry in entries)
        {
            if (RelationFileName.TryParse(entry.Name, out var relation) && relation.Fork == RelationFork.Init && !relation.IsTemporary)
                unlogged.Add(relation.FileNode);
        }

        return unlogged;
    }

    internal static bool IsTransient(RelationFileName relation, HashSet<uint> unlogged) =>
        relation.IsTemporary || (relation.Fork != RelationFork.Init && unlogged.Contains(relation.FileNode));
}
