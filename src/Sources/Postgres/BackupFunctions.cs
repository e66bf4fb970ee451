namespace Backup.Sources.Postgres;

/// <summary>The functions that enter and leave backup mode; PostgreSQL 15 renamed them and dropped the exclusive mode.</summary>
/// <param name="StartSignature">As privileges are granted on it.</param>
/// <param name="StopSignature">As privileges are granted on it.</param>
/// <param name="Start">Takes a label and whether to checkpoint at once; gives the start of the log that a restore needs.</param>
/// <param name="Stop">Gives the end of the log, backup_label and tablespace_map, without waiting for archiving.</param>
internal sealed record BackupFunctions(string StartSignature, string StopSignature, string Start, string Stop)
{
    private const int RenamedVersion = 150000;

    internal static BackupFunctions Of(int versionNumber) => versionNumber >= RenamedVersion
        ? new BackupFunctions(
            "pg_backup_start(text, boolean)",
            "pg_backup_stop(boolean)",
            "SELECT pg_backup_start($1, fast => $2)::text",
            "SELECT lsn::text, labelfile, spcmapfile FROM pg_backup_stop(wait_for_archive => false)")
        : new BackupFunctions(
            "pg_start_backup(text, boolean, boolean)",
            "pg_stop_backup(boolean, boolean)",
            "SELECT pg_start_backup($1, $2, false)::text",
            "SELECT lsn::text, labelfile, spcmapfile FROM pg_stop_backup(false, false)");
}
