using System.Globalization;
using System.Text;

namespace Backup.Sources.Postgres.Recovery;

/// <summary>Recovery's settings for PostgreSQL 13 to 18, which all have them in postgresql.auto.conf beside an empty recovery.signal.</summary>
internal static class RecoverySettings
{
    internal const string FileName = "postgresql.auto.conf";
    internal const string SignalName = "recovery.signal";
    internal const string StandbySignalName = "standby.signal";

    /// <summary>What the server is told when all log is in place already: it insists on a command, and one that fails means that there is nothing more.</summary>
    private const string NothingToFetch = "false";

    internal const int VersionMin = 13;
    internal const int VersionMax = 18;

    /// <summary>All that recovery reads: what a file has of an earlier recovery goes. At most one target may stand there, not even an empty one beside it.</summary>
    private static readonly string[] All =
    [
        "restore_command", "recovery_end_command", "archive_cleanup_command", "recovery_target_timeline", "recovery_target_inclusive", "recovery_target_action",
        "recovery_target", "recovery_target_time", "recovery_target_lsn", "recovery_target_name", "recovery_target_xid",
    ];

    internal static Dictionary<string, string> For(RecoveryRequest request, RecoveryTarget goal, uint timeline)
    {
        var settings = new Dictionary<string, string>
        {
            ["restore_command"] = request.RestoreCommand ?? NothingToFetch,
            ["recovery_end_command"] = request.EndCommand ?? "",
            // The number, not "latest": what is followed is what was planned, whatever the vault learns meanwhile.
            ["recovery_target_timeline"] = timeline.ToString(CultureInfo.InvariantCulture),
            ["recovery_target_inclusive"] = goal.IsInclusive ? "on" : "off",
            ["recovery_target_action"] = request.Action.ToString().ToLowerInvariant(),
        };
        switch (goal.Kind)
        {
            case RecoveryTargetKind.Immediate:
                settings["recovery_target"] = "immediate";
                break;
            case RecoveryTargetKind.Time:
                settings["recovery_target_time"] = goal.Time.ToString("yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture) + "+00";
                break;
            case RecoveryTargetKind.Position:
                settings["recovery_target_lsn"] = goal.Position.ToString();
                break;
            case RecoveryTargetKind.Name:
                settings["recovery_target_name"] = goal.Name;
                break;
            case RecoveryTargetKind.Transaction:
                settings["recovery_target_xid"] = goal.TransactionId.ToString(CultureInfo.InvariantCulture);
                break;
        }

        return settings;
    }

    /// <summary>The file with these settings instead of whatever it had of the same names.</summary>
    /// <remarks>What it had keeps its bytes: a server writes values in the encoding of whoever set them.</remarks>
    internal static byte[] Merge(ReadOnlySpan<byte> existing, IReadOnlyDictionary<string, string> settings)
    {
        var merged = new StringBuilder();
        foreach (var line in Encoding.Latin1.GetString(existing).Split('\n'))
        {
            if (line.Length > 0 && !All.Contains(NameIn(line)))
                merged.Append(line).Append('\n');
        }

        merged.Append("# Recovery to a point in time, written by the restore.\n");
        foreach (var (name, value) in settings.OrderBy(setting => setting.Key, StringComparer.Ordinal))
            merged.Append(CultureInfo.InvariantCulture, $"{name} = '{Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(Quote(value)))}'\n");
        return Encoding.Latin1.GetBytes(merged.ToString());
    }

    private static string NameIn(string line)
    {
        var end = line.AsSpan().TrimStart().IndexOfAny(" =\t");
        return end < 0 ? line.Trim() : line.TrimStart()[..end].ToLowerInvariant();
    }

    private static string Quote(string value) =>
        value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "''", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}
