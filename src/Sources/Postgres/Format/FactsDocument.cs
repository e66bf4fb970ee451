using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Backup.Sources.Postgres.Format;

/// <summary>The file <c>backup.json</c> of a snapshot, version 1. For people and for restores by hand; fields are added, never renamed.</summary>
internal sealed record FactsDocument
{
    [JsonPropertyName("version")]
    public required int Version { get; init; }

    [JsonPropertyName("startLsn")]
    public required string StartLsn { get; init; }

    [JsonPropertyName("stopLsn")]
    public required string StopLsn { get; init; }

    [JsonPropertyName("timeline")]
    public required uint Timeline { get; init; }

    /// <summary>A string: JSON numbers do not hold 64 bits everywhere.</summary>
    [JsonPropertyName("systemIdentifier")]
    public required string SystemIdentifier { get; init; }

    [JsonPropertyName("serverVersion")]
    public required int ServerVersion { get; init; }

    [JsonPropertyName("walSegmentBytes")]
    public required int WalSegmentBytes { get; init; }

    [JsonPropertyName("dataChecksums")]
    public required bool DataChecksums { get; init; }

    [JsonPropertyName("dataDirectory")]
    public required string DataDirectory { get; init; }

    [JsonPropertyName("tablespaces")]
    public required IReadOnlyDictionary<string, string> Tablespaces { get; init; }

    /// <summary>The superuser that initdb made: a role that exists in every copy of the cluster. Null in snapshots of before it was noted.</summary>
    [JsonPropertyName("superuser")]
    public string? Superuser { get; init; }

    internal static FactsDocument Of(ServerFacts server, ConsistencyPoint point, IReadOnlyDictionary<string, string> tablespaces) => new()
    {
        Version = 1,
        StartLsn = point.Start.ToString(),
        StopLsn = point.Stop.ToString(),
        Timeline = point.Timeline,
        SystemIdentifier = point.SystemIdentifier.ToString(CultureInfo.InvariantCulture),
        ServerVersion = point.ServerVersion,
        WalSegmentBytes = server.WalSegmentBytes,
        DataChecksums = server.HasChecksums,
        DataDirectory = server.DataDirectory,
        Tablespaces = tablespaces,
        Superuser = server.Superuser,
    };

    internal byte[] ToBytes() => JsonSerializer.SerializeToUtf8Bytes(this, FactsJson.Default.FactsDocument);
}

[JsonSourceGenerationOptions(WriteIndented = true)]
[JsonSerializable(typeof(FactsDocument))]
internal sealed partial class FactsJson : JsonSerializerContext;
