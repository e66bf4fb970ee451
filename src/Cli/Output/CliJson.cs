using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Backup.Cli.Output;

/// <summary>An error as machines read it.</summary>
internal sealed record ErrorLine(string Error, int ExitCode, string Message, string Hint);

/// <summary>Everything <c>--json</c> prints. Field names are relied upon by scripts: add, never rename.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ErrorLine))]
[JsonSerializable(typeof(Identities.IdentityMade))]
[JsonSerializable(typeof(ControlPlane.ApiProblem))]
[JsonSerializable(typeof(ControlPlane.AgentLine))]
[JsonSerializable(typeof(ControlPlane.AgentList))]
[JsonSerializable(typeof(ControlPlane.InvitationLine))]
[JsonSerializable(typeof(ControlPlane.InvitationWish))]
[JsonSerializable(typeof(ControlPlane.OverlapWish))]
[JsonSerializable(typeof(ControlPlane.NoWish))]
[JsonSerializable(typeof(ControlPlane.KeyOutcomeLine))]
[JsonSerializable(typeof(ControlPlane.KeyOutcomesLine))]
[JsonSerializable(typeof(ControlPlane.RevocationLine))]
[JsonSerializable(typeof(ControlPlane.ControlPlaneKeysLine))]
[JsonSerializable(typeof(ControlPlane.ArchiveWish))]
[JsonSerializable(typeof(ControlPlane.ArchiveStartWish))]
[JsonSerializable(typeof(ControlPlane.StartedLine))]
[JsonSerializable(typeof(ControlPlane.ArchiveList))]
[JsonSerializable(typeof(ControlPlane.ArchiveLine))]
[JsonSerializable(typeof(ControlPlane.ImmutabilityLine))]
[JsonSerializable(typeof(Vaults.VaultMade))]
[JsonSerializable(typeof(Stores.ProbeLine))]
[JsonSerializable(typeof(Snapshots.SnapshotLine))]
[JsonSerializable(typeof(Snapshots.EntryLine))]
[JsonSerializable(typeof(Snapshots.ChangeLine))]
[JsonSerializable(typeof(Backing.BackupLine))]
[JsonSerializable(typeof(Restoring.RestoreLine))]
[JsonSerializable(typeof(Restoring.RecoveryLine))]
[JsonSerializable(typeof(Restoring.DumpRestoreLine))]
[JsonSerializable(typeof(Restoring.ProofLine))]
[JsonSerializable(typeof(Log.WalPushLine))]
[JsonSerializable(typeof(Log.WalPruneLine))]
[JsonSerializable(typeof(Log.WalReceiveLine))]
[JsonSerializable(typeof(Log.WalRangeLine))]
[JsonSerializable(typeof(Vaults.StatsLine))]
[JsonSerializable(typeof(Vaults.VerifyLine))]
[JsonSerializable(typeof(Vaults.PruneLine))]
[JsonSerializable(typeof(Vaults.RepairLine))]
[JsonSerializable(typeof(Vaults.RebuildLine))]
[JsonSerializable(typeof(Vaults.CopyLine))]
[JsonSerializable(typeof(Vaults.KeySlotLine))]
[JsonSerializable(typeof(Vaults.KeyLine))]
internal sealed partial class CliJson : JsonSerializerContext;

/// <summary>One JSON value per line, so that long listings can be read as they come.</summary>
internal static class JsonLines
{
    public static void WriteJson<T>(this TextWriter writer, T value, JsonTypeInfo<T> type) => writer.WriteLine(JsonSerializer.Serialize(value, type));
}
