using System.Text.Json;
using System.Text.Json.Serialization;
using Backup.Standalone.Durable.Store;
using DurableTask.Core.History;

namespace Backup.Standalone.Durable.Entities;

/// <summary>What is asked of an entity.</summary>
internal enum EntityRequestKind
{
    /// <summary>An operation that nobody waits for.</summary>
    Signal,

    /// <summary>An operation whose caller waits.</summary>
    Call,

    /// <summary>The entity shall belong to the caller alone.</summary>
    Lock,

    /// <summary>It need not any more.</summary>
    Release,
}

/// <summary>A message to an entity, as it is stored. Fields may be added, never renamed.</summary>
internal sealed record EntityRequest(
    [property: JsonPropertyName("kind")] EntityRequestKind Kind,
    [property: JsonPropertyName("operation")] string Operation,
    [property: JsonPropertyName("input")] string? Input)
{
    /// <summary>Names the answer; for locks and releases: the critical section.</summary>
    [JsonPropertyName("id")]
    public string? Id { get; init; }

    /// <summary>The orchestration that waits for the answer or holds the lock.</summary>
    [JsonPropertyName("caller")]
    public string? Caller { get; init; }

    [JsonPropertyName("execution")]
    public Guid? CallerExecution { get; init; }

    /// <summary>For locks: the entities still to be locked after this one, in order.</summary>
    [JsonPropertyName("further")]
    public IReadOnlyList<string> Further { get; init; } = [];

    public static EntityRequest? Parse(string? text) =>
        text is null ? null : JsonSerializer.Deserialize(text, EntityJson.Default.EntityRequest);

    public override string ToString() => JsonSerializer.Serialize(this, EntityJson.Default.EntityRequest);

    public InboxMessage To(string entity, DateTimeOffset? at = null) => new(entity, EventType.EventRaised)
    {
        Name = Operation,
        Data = ToString(),
        VisibleAt = at?.UtcDateTime,
    };

    /// <summary>The answer to whoever asked; null when nobody waits for one.</summary>
    public InboxMessage? Answer(EntityAnswer answer) => Kind is not (EntityRequestKind.Call or EntityRequestKind.Lock)
        ? null
        : new InboxMessage(Caller!, EventType.EventRaised)
        {
            ExecutionId = CallerExecution,
            Name = Id,
            Data = JsonSerializer.Serialize(answer, EntityJson.Default.EntityAnswer),
        };
}

/// <summary>The answer of an entity, as it is stored. Fields may be added, never renamed.</summary>
internal sealed record EntityAnswer(
    [property: JsonPropertyName("result")] string? Result,
    [property: JsonPropertyName("failure")] StoredFailure? Failure)
{
    public static EntityAnswer Parse(string? text) => JsonSerializer.Deserialize(text!, EntityJson.Default.EntityAnswer)!;
}

/// <summary>Who has locked an entity, as it is stored. Fields may be added, never renamed.</summary>
internal sealed record EntityLock([property: JsonPropertyName("owner")] string Owner, [property: JsonPropertyName("section")] string Section)
{
    public static EntityLock? Parse(string? text) => text is null ? null : JsonSerializer.Deserialize(text, EntityJson.Default.EntityLock);

    public override string ToString() => JsonSerializer.Serialize(this, EntityJson.Default.EntityLock);
}

/// <summary>Which instances are entities.</summary>
internal static class EntityIds
{
    /// <summary>The message for an entity's id where an orchestration's is wanted.</summary>
    public const string Reserved = "Instance IDs starting with '@' are reserved for entities, and must not be used for orchestrations.";

    public static bool IsEntity(string? instanceId) => instanceId is not null && instanceId.StartsWith('@');

    /// <exception cref="ArgumentException">The id is an entity's.</exception>
    public static void Refuse(string? instanceId)
    {
        if (IsEntity(instanceId))
        {
            throw new ArgumentException(Reserved, nameof(instanceId));
        }
    }
}

[JsonSourceGenerationOptions(UseStringEnumConverter = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(EntityRequest))]
[JsonSerializable(typeof(EntityAnswer))]
[JsonSerializable(typeof(EntityLock))]
internal sealed partial class EntityJson : JsonSerializerContext;
