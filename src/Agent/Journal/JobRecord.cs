using System.Text.Json;
using System.Text.Json.Serialization;
using Backup.AgentApi;

namespace Backup.Agent.Journal;

/// <summary>The words of the journal. They are stored: add, never rename.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<JobRecordKind>))]
internal enum JobRecordKind
{
    /// <summary>An order was taken on: claim and payload.</summary>
    [JsonStringEnumMemberName("accepted")] Accepted,

    /// <summary>The same order came again with fresh credentials.</summary>
    [JsonStringEnumMemberName("renewed")] Renewed,

    /// <summary>Work began, once more perhaps.</summary>
    [JsonStringEnumMemberName("started")] Started,

    /// <summary>The agent stopped in an orderly way while the job ran: it will begin again.</summary>
    [JsonStringEnumMemberName("interrupted")] Interrupted,

    /// <summary>Somebody asked to stop the job.</summary>
    [JsonStringEnumMemberName("cancel-requested")] CancelRequested,

    /// <summary>The final report.</summary>
    [JsonStringEnumMemberName("ended")] Ended,
}

/// <summary>One fact about one job, as stored. The payload may hold a short-lived credential until the job has ended.</summary>
internal sealed record JobRecord
{
    public const int CurrentVersion = 1;

    private static readonly JsonSerializerOptions Json = new()
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        RespectNullableAnnotations = true,
    };

    [JsonPropertyName("v")] public int Version { get; init; } = CurrentVersion;

    [JsonPropertyName("kind")] public required JobRecordKind Kind { get; init; }

    [JsonPropertyName("order")] public required OrderId OrderId { get; init; }

    [JsonPropertyName("at")] public required DateTimeOffset At { get; init; }

    [JsonPropertyName("operation")] public Operation? Operation { get; init; }

    [JsonPropertyName("fingerprint")] public string? Fingerprint { get; init; }

    [JsonPropertyName("acceptableUntil")] public DateTimeOffset? AcceptableUntil { get; init; }

    [JsonPropertyName("payload")] public JsonElement? Payload { get; init; }

    [JsonPropertyName("report")] public JobReport? Report { get; init; }

    public byte[] ToBytes() => JsonSerializer.SerializeToUtf8Bytes(this, Json);

    /// <exception cref="AgentException">Not a record, or one of a newer version.</exception>
    public static JobRecord Parse(ReadOnlySpan<byte> bytes)
    {
        try
        {
            var record = JsonSerializer.Deserialize<JobRecord>(bytes, Json) ?? throw new JsonException("null");
            return record.Version <= CurrentVersion
                ? record
                : throw new AgentException(
                    AgentFault.JournalTooNew, $"The job journal holds records of version {record.Version}; this agent knows version {CurrentVersion}.",
                    "Start the agent version that wrote it, or a newer one.");
        }
        catch (JsonException e)
        {
            throw new AgentException(
                AgentFault.JournalDamaged, "The job journal holds a record that cannot be read.",
                "Start the agent version that wrote it. To go on without the unfinished jobs, move the journal away.", e);
        }
    }

    public static JsonElement Write(OrderPayload payload) => JsonSerializer.SerializeToElement(payload, payload.GetType(), Json);

    /// <exception cref="AgentException">The payload is not one of that operation.</exception>
    public static OrderPayload ReadPayload(Operation operation, JsonElement payload)
    {
        try
        {
            var order = operation.IsJob() ? (OrderPayload?)payload.Deserialize(operation.PayloadType(), Json) : null;
            return order ?? throw new JsonException($"no payload of a job: {operation}");
        }
        catch (JsonException e)
        {
            throw new AgentException(
                AgentFault.JournalDamaged, "The job journal holds an order that cannot be read.", "Start the agent version that wrote it.", e);
        }
    }
}
