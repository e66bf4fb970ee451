using System.Text.Json;
using System.Text.Json.Serialization;
using Backup.Agent.Journal;

namespace Backup.Agent.Keys;

/// <summary>One key as stored: an identity's text form and, once a successor is known, how its acceptance ends.</summary>
/// <param name="Identity">Private for the agent's own keys, public for the control plane's.</param>
/// <param name="OverlapSeconds">Set when a successor was made or announced: how long this key is accepted after the successor's first use.</param>
/// <param name="AcceptUntil">Set at the successor's first use.</param>
internal sealed record StoredKey(
    [property: JsonPropertyName("identity")] string Identity,
    [property: JsonPropertyName("overlapSeconds")] int? OverlapSeconds = null,
    [property: JsonPropertyName("acceptUntil")] DateTimeOffset? AcceptUntil = null);

/// <summary>The keys of an enrolled agent as they lie in its state folder (mode 0600). Each list is oldest first.</summary>
internal sealed record KeyRingFile
{
    public const int CurrentVersion = 1;

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private static readonly JsonSerializerOptions Json = new()
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        RespectNullableAnnotations = true,
        WriteIndented = true,
    };

    [JsonPropertyName("v")] public int Version { get; init; } = CurrentVersion;

    [JsonPropertyName("own")] public required IReadOnlyList<StoredKey> Own { get; init; }

    [JsonPropertyName("trusted")] public required IReadOnlyList<StoredKey> Trusted { get; init; }

    /// <summary>Key ids of the control plane that are never trusted again.</summary>
    [JsonPropertyName("revoked")] public IReadOnlyList<string> Revoked { get; init; } = [];

    /// <summary>Reads the file; null when there is none.</summary>
    /// <exception cref="AgentException">It is damaged, or of another version.</exception>
    public static KeyRingFile? Find(string path)
    {
        try
        {
            if (!File.Exists(path))
            {
                return null;
            }

            var file = JsonSerializer.Deserialize<KeyRingFile>(File.ReadAllBytes(path), Json);
            if (file is { Version: CurrentVersion, Own.Count: > 0, Trusted.Count: > 0 })
            {
                return file;
            }

            throw Unusable(path, "it is of another version than this agent reads, or holds no keys");
        }
        catch (JsonException e)
        {
            throw Unusable(path, "it is damaged", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unusable(path, e.Message, e);
        }
    }

    /// <summary>Replaces the file: complete and durable, or unchanged.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Write(string path)
    {
        var aside = path + ".new";
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnerOnly;
        }

        using (var file = new FileStream(aside, options))
        {
            file.Write(JsonSerializer.SerializeToUtf8Bytes(this, Json));
            file.Flush(flushToDisk: true);
        }

        File.Move(aside, path, overwrite: true);
        FolderSync.Flush(Path.GetDirectoryName(path)!);
    }

    private static AgentException Unusable(string path, string why, Exception? cause = null) => new(
        AgentFault.Keys, $"The key file {path} cannot be used: {why}.", "Restore it from a copy, or enrol the agent again with 'Backup.Agent enroll --replace'.", cause);
}
