using System.Text.Json;
using System.Text.Json.Serialization;

namespace Backup.Sources.Postgres.Format;

/// <summary>
/// The file <c>content.json</c> of a snapshot: what its tables held at a position in the log, so that a restore can be compared. Version 2 is that of a standby, which cannot be
/// compared without <see cref="DatabaseContent.UnseenFromTransaction"/>; any other is 1. Fields are added, never renamed.
/// </summary>
internal sealed record ContentDocument
{
    internal const int CurrentVersion = 2;

    internal const int PrimaryVersion = 1;

    [JsonPropertyName("version")]
    public required int Version { get; init; }

    /// <summary>How row hashes are made; see <see cref="Proving.TableContent"/>.</summary>
    [JsonPropertyName("hash")]
    public required string Hash { get; init; }

    /// <summary>The superuser that initdb made: a role that exists in every copy of the cluster.</summary>
    [JsonPropertyName("superuser")]
    public string? Superuser { get; init; }

    [JsonPropertyName("databases")]
    public required IReadOnlyList<DatabaseContent> Databases { get; init; }

    /// <summary>Why there is nothing, or not everything; null when all tables are there.</summary>
    [JsonPropertyName("note")]
    public string? Note { get; init; }

    internal byte[] ToBytes() => JsonSerializer.SerializeToUtf8Bytes(this, ContentJson.Default.ContentDocument);

    /// <exception cref="JsonException">It is no such document.</exception>
    internal static ContentDocument Parse(ReadOnlySpan<byte> bytes)
    {
        var document = JsonSerializer.Deserialize(bytes, ContentJson.Default.ContentDocument) ?? throw new JsonException("null");
        return document.Version is >= PrimaryVersion and <= CurrentVersion ? document : throw new JsonException($"version {document.Version} is not known here");
    }
}

/// <summary>One database, in one of its own snapshots (isolation level repeatable read).</summary>
internal sealed record DatabaseContent
{
    [JsonPropertyName("name")]
    public required string Name { get; init; }

    [JsonPropertyName("objectId")]
    public required uint ObjectId { get; init; }

    /// <summary>The log's end just before the snapshot: what changed a table later stands behind it.</summary>
    [JsonPropertyName("lsn")]
    public required string Lsn { get; init; }

    /// <summary>The log's end just after the snapshot was taken: a restore that ends before it lacks some of what was recorded.</summary>
    [JsonPropertyName("untilLsn")]
    public required string UntilLsn { get; init; }

    /// <summary>
    /// Of a standby: from this transaction id on, transactions may have written before <see cref="Lsn"/> what the snapshot does not show. They wrote it after the backup had begun.
    /// </summary>
    [JsonPropertyName("unseenFromTransaction")]
    public uint? UnseenFromTransaction { get; init; }

    /// <summary>The files of pg_class: while no log changes it, no table was made, altered or dropped.</summary>
    [JsonPropertyName("catalogFileNode")]
    public required uint CatalogFileNode { get; init; }

    [JsonPropertyName("tables")]
    public required IReadOnlyList<TableRecord> Tables { get; init; }

    /// <summary>Tables that a transaction was writing to when the snapshot was taken: what it wrote shows only later.</summary>
    [JsonPropertyName("tablesBusy")]
    public int TablesBusy { get; init; }

    /// <summary>Tables left out because the time was up or there are too many.</summary>
    [JsonPropertyName("tablesLeftOut")]
    public int TablesLeftOut { get; init; }
}

/// <summary>One table.</summary>
internal sealed record TableRecord
{
    [JsonPropertyName("schema")]
    public required string Schema { get; init; }

    [JsonPropertyName("name")]
    public required string Name { get; init; }

    [JsonPropertyName("fileNode")]
    public required uint FileNode { get; init; }

    /// <summary>A hash of names and types of its columns.</summary>
    [JsonPropertyName("columns")]
    public required string Columns { get; init; }

    [JsonPropertyName("blocksTotal")]
    public required long BlocksTotal { get; init; }

    /// <summary>Ranges of blocks that were read, each from and to (exclusive); null for all of them.</summary>
    [JsonPropertyName("ranges")]
    public IReadOnlyList<IReadOnlyList<long>>? Ranges { get; init; }

    /// <summary>Rows that were read.</summary>
    [JsonPropertyName("rows")]
    public required long Rows { get; init; }

    /// <summary>The sum of their hashes, in decimal.</summary>
    [JsonPropertyName("sum")]
    public required string Sum { get; init; }
}

[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ContentDocument))]
internal sealed partial class ContentJson : JsonSerializerContext;
