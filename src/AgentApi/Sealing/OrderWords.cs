using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Backup.AgentApi;

/// <summary>Operations, their wire names and their payload types, in one place.</summary>
internal static class OrderWords
{
    private static readonly (Operation Operation, string Word, JsonTypeInfo Payload)[] All =
    [
        (Operation.Backup, "backup", WireJson.Default.BackupOrder),
        (Operation.Restore, "restore", WireJson.Default.RestoreOrder),
        (Operation.Replicate, "replicate", WireJson.Default.ReplicateOrder),
        (Operation.Prune, "prune", WireJson.Default.PruneOrder),
        (Operation.Hold, "hold", WireJson.Default.HoldOrder),
        (Operation.Release, "release", WireJson.Default.ReleaseOrder),
        (Operation.Verify, "verify", WireJson.Default.VerifyOrder),
        (Operation.Tidy, "tidy", WireJson.Default.TidyOrder),
        (Operation.Survey, "survey", WireJson.Default.SurveyOrder),
        (Operation.Job, "job", WireJson.Default.JobQuery),
        (Operation.Cancel, "cancel", WireJson.Default.CancelOrder),
        (Operation.Health, "health", WireJson.Default.HealthQuery),
        (Operation.Snapshots, "snapshots", WireJson.Default.SnapshotsQuery),
        (Operation.Deletions, "deletions", WireJson.Default.DeletionsQuery),
        (Operation.SurveyPacks, "survey-packs", WireJson.Default.SurveyPacksQuery),
        (Operation.Inventory, "inventory", WireJson.Default.InventoryQuery),
        (Operation.Log, "log", WireJson.Default.LogQuery),
        (Operation.Rpo, "rpo", WireJson.Default.RpoQuery),
        (Operation.RotateAgentKey, "rotate-agent-key", WireJson.Default.RotateAgentKey),
        (Operation.TrustControlPlaneKey, "trust-control-plane-key", WireJson.Default.TrustControlPlaneKey),
        (Operation.RevokeControlPlaneKey, "revoke-control-plane-key", WireJson.Default.RevokeControlPlaneKey),
    ];

    public static string Word(Operation operation) => All.Single(entry => entry.Operation == operation).Word;

    public static JsonTypeInfo? PayloadType(string word) => All.FirstOrDefault(entry => entry.Word == word).Payload;

    public static JsonTypeInfo PayloadType(Operation operation) => All.Single(entry => entry.Operation == operation).Payload;

    public static JsonElement Write(OrderPayload payload) => JsonSerializer.SerializeToElement(payload, PayloadType(payload.Operation));

    public static IReadOnlyList<string> Faults(OrderPayload payload)
    {
        var check = new ContractCheck();
        payload.Check(check);
        return check.Faults;
    }
}
