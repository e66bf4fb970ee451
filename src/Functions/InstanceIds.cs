using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Backup.Functions;

/// <summary>
/// The ids of orchestration instances. They follow from what is asked and from a slot, so that asking twice is asking once.
/// At most 100 characters, which is what Durable Functions allows.
/// </summary>
public static class InstanceIds
{
    /// <summary>What the ids of fleets begin with.</summary>
    public const string FleetKind = "fleet-";

    /// <summary>What the ids of backups begin with.</summary>
    public const string BackupKind = "backup-";

    /// <summary>What the ids of groups' backups and restores begin with.</summary>
    public const string GroupKind = "group-";

    /// <summary>What the ids of restores begin with.</summary>
    public const string RestoreKind = "restore-";

    /// <summary>What the ids of catalog rebuilds begin with.</summary>
    public const string RebuildKind = "rebuild-";

    /// <summary>The slot of an instant: its minute.</summary>
    public static string SlotOf(DateTimeOffset instant) => instant.UtcDateTime.ToString("yyyyMMdd'T'HHmm", CultureInfo.InvariantCulture);

    /// <summary>A scheduled fleet.</summary>
    public static string Fleet(string slot) => $"{FleetKind}{slot}";

    /// <summary>A fleet of every asset, on request.</summary>
    public static string WholeFleet(string slot) => $"{FleetKind}all-{slot}";

    /// <summary>A backup of one asset; also its run's id.</summary>
    public static string Backup(string asset, string slot) => $"{BackupKind}{asset}-{slot}";

    /// <summary>A backup of a group; also its group point's id.</summary>
    public static string Group(string group, string slot) => $"{GroupKind}{group}-{slot}";

    /// <summary>A restore of a group point.</summary>
    public static string GroupRestore(string group, string slot, params ReadOnlySpan<string> parts) => $"{GroupKind}{Restore(group, slot, parts)}";

    /// <summary>The agent's job of a run: where a cancellation is told.</summary>
    public static string JobOf(string run) => $"job-{run}";

    /// <summary>A restore; also its id in the catalog. The parts are hashed, because a target may be any path.</summary>
    public static string Restore(string asset, string slot, params ReadOnlySpan<string> parts)
    {
        var text = new StringBuilder();
        foreach (var part in parts)
        {
            text.Append(CultureInfo.InvariantCulture, $"{part.Length}:{part}");
        }

        return $"{RestoreKind}{asset}-{slot}-{HashOf(text.ToString())}";
    }

    /// <summary>The survey of an archive restore.</summary>
    public static string ArchiveSurvey(string restore) => $"survey-{HashOf(restore)}";

    /// <summary>A job of an archive restore's agent.</summary>
    public static string ArchiveJob(string restore, string step) => $"job-{HashOf(restore)}-{step}";

    /// <summary>Retention in one vault. Always the same id: a vault is never pruned twice at once.</summary>
    public static string Retention(string agent, string vault) => $"retention-{HashOf($"{agent}\n{vault}")}";

    /// <summary>Verification of a vault's copy in a container. Always the same id: a replica is never repaired twice at once.</summary>
    public static string Verification(Uri container, string vaultId) => $"verify-{HashOf($"{container}\n{vaultId}")}";

    /// <summary>The locks of a vault's copy in a container. Always the same id.</summary>
    public static string Locks(Uri container, string vaultId) => $"locks-{HashOf($"{container}\n{vaultId}")}";

    /// <summary>Verification of a vault. Always the same id: a vault is never repaired twice at once.</summary>
    public static string VaultVerification(string agent, string vault) => $"verify-vault-{HashOf($"{agent}\n{vault}")}";

    /// <summary>A retention plan of an asset; also its id in the catalog. Forcing is a request of its own: usually right after the same plan was refused.</summary>
    public static string RetentionPlan(string asset, string slot, bool isForced) => $"plan-{asset}-{slot}{(isForced ? "-forced" : "")}";

    /// <summary>An episode of risk of an asset's recovery point objective.</summary>
    public static string RpoEpisode(string asset, string slot) => $"rpo-{asset}-{slot}";

    /// <summary>A rebuild of the catalog.</summary>
    public static string Rebuild(string slot) => $"{RebuildKind}{slot}";

    private static string HashOf(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 8));
}
