using System.Text.Json;
using System.Text.Json.Serialization;

namespace Backup.AgentApi;

/// <summary>What is signed and encrypted of an order. Version first; fields are added, never renamed.</summary>
internal sealed record OrderStatement
{
    public const int CurrentVersion = 1;

    [JsonPropertyName("v")] public required int Version { get; init; }
    [JsonPropertyName("from")] public required string From { get; init; }
    [JsonPropertyName("fromKey")] public required string FromKey { get; init; }
    [JsonPropertyName("to")] public required string To { get; init; }
    [JsonPropertyName("toKey")] public required string ToKey { get; init; }

    /// <summary>A string here, so that an operation of a later release can be refused with an answer that says so.</summary>
    [JsonPropertyName("op")] public required string Operation { get; init; }
    [JsonPropertyName("id")] public required OrderId OrderId { get; init; }
    [JsonPropertyName("issuedAtMs")] public required long IssuedAtMs { get; init; }
    [JsonPropertyName("expiresAtMs")] public required long ExpiresAtMs { get; init; }
    [JsonPropertyName("payload")] public required JsonElement Payload { get; init; }
}

/// <summary>What is signed and encrypted of an answer: bound to one request by the hash of its envelope.</summary>
internal sealed record AnswerStatement
{
    [JsonPropertyName("v")] public required int Version { get; init; }
    [JsonPropertyName("from")] public required string From { get; init; }
    [JsonPropertyName("fromKey")] public required string FromKey { get; init; }
    [JsonPropertyName("to")] public required string To { get; init; }
    [JsonPropertyName("toKey")] public required string ToKey { get; init; }
    [JsonPropertyName("op")] public required string Operation { get; init; }
    [JsonPropertyName("id")] public required OrderId OrderId { get; init; }
    [JsonPropertyName("request")] public required string RequestSha256 { get; init; }
    [JsonPropertyName("answeredAtMs")] public required long AnsweredAtMs { get; init; }
    [JsonPropertyName("payload")] public JsonElement? Payload { get; init; }
    [JsonPropertyName("refusal")] public Failure? Refusal { get; init; }
}

/// <summary>What an agent says to be enrolled. Signed by the identity in it, which proves that the sender holds its private part.</summary>
internal sealed record EnrolmentStatement
{
    public const int CurrentVersion = 1;

    [JsonPropertyName("v")] public required int Version { get; init; }
    [JsonPropertyName("enrolment")] public required string Enrolment { get; init; }
    [JsonPropertyName("secret")] public required string Secret { get; init; }
    [JsonPropertyName("identity")] public required string Identity { get; init; }
    [JsonPropertyName("toKey")] public required string ToKey { get; init; }

    // A record prints its members; this one must not.
    public override string ToString() => $"enrolment {Enrolment}";
}

/// <summary>What the control plane answers to an agent that it invited.</summary>
internal sealed record WelcomeStatement
{
    [JsonPropertyName("v")] public required int Version { get; init; }
    [JsonPropertyName("request")] public required string RequestSha256 { get; init; }
    [JsonPropertyName("toKey")] public required string ToKey { get; init; }
    [JsonPropertyName("identities")] public required IReadOnlyList<string> Identities { get; init; }
}

/// <summary>Every shape that crosses the wire. Unknown fields are ignored, missing required ones and doubled ones refused.</summary>
[JsonSourceGenerationOptions(
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip,
    AllowDuplicateProperties = false,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    MaxDepth = 16)]
[JsonSerializable(typeof(OrderStatement))]
[JsonSerializable(typeof(AnswerStatement))]
[JsonSerializable(typeof(BackupOrder))]
[JsonSerializable(typeof(RestoreOrder))]
[JsonSerializable(typeof(ReplicateOrder))]
[JsonSerializable(typeof(PruneOrder))]
[JsonSerializable(typeof(HoldOrder))]
[JsonSerializable(typeof(ReleaseOrder))]
[JsonSerializable(typeof(VerifyOrder))]
[JsonSerializable(typeof(TidyOrder))]
[JsonSerializable(typeof(SurveyOrder))]
[JsonSerializable(typeof(SurveyPacksQuery))]
[JsonSerializable(typeof(DeletionsQuery))]
[JsonSerializable(typeof(JobQuery))]
[JsonSerializable(typeof(CancelOrder))]
[JsonSerializable(typeof(HealthQuery))]
[JsonSerializable(typeof(SnapshotsQuery))]
[JsonSerializable(typeof(InventoryQuery))]
[JsonSerializable(typeof(LogQuery))]
[JsonSerializable(typeof(RpoQuery))]
[JsonSerializable(typeof(RotateAgentKey))]
[JsonSerializable(typeof(TrustControlPlaneKey))]
[JsonSerializable(typeof(RevokeControlPlaneKey))]
[JsonSerializable(typeof(EnrolmentStatement))]
[JsonSerializable(typeof(WelcomeStatement))]
[JsonSerializable(typeof(AgentInventory))]
[JsonSerializable(typeof(LogTail))]
[JsonSerializable(typeof(RpoReadings))]
[JsonSerializable(typeof(AgentKey))]
[JsonSerializable(typeof(TrustedKeys))]
[JsonSerializable(typeof(JobTicket))]
[JsonSerializable(typeof(JobReport))]
[JsonSerializable(typeof(AgentHealth))]
[JsonSerializable(typeof(SnapshotPage))]
[JsonSerializable(typeof(DeletionPage))]
[JsonSerializable(typeof(SurveyPacksPage))]
[JsonSerializable(typeof(OrderPayload))]
internal sealed partial class WireJson : JsonSerializerContext;
