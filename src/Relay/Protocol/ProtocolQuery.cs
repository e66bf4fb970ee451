using System.Net;

namespace Backup.Relay;

/// <summary>Query parameters that belong to the protocol: those whose names start with <c>sb-hc-</c>, in any case.</summary>
internal static class ProtocolQuery
{
    private const string Prefix = "sb-hc-";

    /// <summary>
    /// Removes them from a target. A segment goes only if it has an equals sign and such a name; all other bytes stay, empty
    /// segments included, and the question mark goes only with the last segment.
    /// </summary>
    public static string Strip(string target)
    {
        var question = target.IndexOf('?', StringComparison.Ordinal);
        if (question < 0) return target;
        var segments = target[(question + 1)..].Split('&');
        var kept = segments.Where(segment => !IsOurs(segment)).ToArray();
        if (kept.Length == segments.Length) return target;
        var query = string.Join('&', kept);
        return query.Length == 0 ? target[..question] : $"{target[..question]}?{query}";
    }

    /// <summary>The decoded value of one of them; null when absent. A plus sign is a space: the official .NET client encodes tokens and reasons as forms do.</summary>
    public static string? Value(string query, string name)
    {
        foreach (var segment in query.Split('&'))
        {
            var equals = segment.IndexOf('=', StringComparison.Ordinal);
            if (equals == name.Length && segment.StartsWith(name, StringComparison.OrdinalIgnoreCase)) return WebUtility.UrlDecode(segment[(equals + 1)..]);
        }
        return null;
    }

    private static bool IsOurs(string segment) =>
        segment.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) && segment.Contains('=', StringComparison.Ordinal);
}
