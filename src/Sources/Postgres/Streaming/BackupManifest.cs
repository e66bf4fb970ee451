using System.Globalization;
using System.Text.Json;

namespace Backup.Sources.Postgres.Streaming;

/// <summary>A file as it came.</summary>
/// <param name="Bytes">Its length.</param>
/// <param name="Checksum">Its CRC-32C.</param>
internal readonly record struct ReceivedFile(long Bytes, uint Checksum);

/// <summary>
/// The manifest that a server sends behind a base backup: every file with its length and checksum, the log apart. What came is compared with it, so that nothing
/// that was lost or changed on the way passes for the server's.
/// </summary>
internal static class BackupManifest
{
    private const string Algorithm = "CRC32C";

    /// <summary>What differs between the manifest and what came.</summary>
    /// <param name="manifest">As the server sent it.</param>
    /// <param name="received">What came, by path in the cluster.</param>
    /// <returns>One sentence, about the first that differs and how many there are; null when nothing does.</returns>
    internal static string? Problem(ReadOnlyMemory<byte> manifest, IReadOnlyDictionary<string, ReceivedFile> received)
    {
        var (first, count, known) = ((string?)null, 0, 0);
        try
        {
            using var document = JsonDocument.Parse(manifest);
            foreach (var file in document.RootElement.GetProperty("Files").EnumerateArray())
            {
                // A name that is no UTF-8 has none here either: it is not compared.
                var path = file.TryGetProperty("Path", out var name) ? name.GetString()! : null;
                if (path is null)
                    known++;
                else if (path.StartsWith(ClusterRules.WalDirectory + "/", StringComparison.Ordinal))
                    continue;
                else if (!received.TryGetValue(path, out var came))
                    Tell($"{path} did not come");
                else
                    Compare(path, file, came);
            }
        }
        catch (Exception malformed) when (malformed is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return $"The manifest that the server sent cannot be read: {malformed.Message}";
        }

        if (known < received.Count)
            Tell($"{received.Count - known} files came that are not in it");
        return count == 0 ? null : string.Create(CultureInfo.InvariantCulture, $"What the server sent differs from its manifest in {count} places: {first}.");

        void Compare(string path, JsonElement file, ReceivedFile came)
        {
            known++;
            if (Difference(file, came) is { } difference)
                Tell($"{path} {difference}");
        }

        void Tell(string what)
        {
            first ??= what;
            count++;
        }
    }

    private static string? Difference(JsonElement file, ReceivedFile came)
    {
        if (file.GetProperty("Size").GetInt64() is var bytes && bytes != came.Bytes)
            return string.Create(CultureInfo.InvariantCulture, $"has {came.Bytes} bytes instead of {bytes}");
        // The manifest writes the checksum as it lies in memory: the lowest byte first.
        return file.GetProperty("Checksum-Algorithm").GetString() == Algorithm
            && !Convert.FromHexString(file.GetProperty("Checksum").GetString()!).AsSpan().SequenceEqual(BitConverter.GetBytes(came.Checksum)) ? "has another checksum" : null;
    }
}
