namespace Backup.Relay.Emulator;

/// <summary>A request's target, taken apart but otherwise exactly as received.</summary>
/// <param name="IsSocket">True below <c>/$hc/</c>.</param>
/// <param name="RawPath">The path from the entity on, percent-encoded, starting with a slash, without <c>/$hc</c>.</param>
/// <param name="RawQuery">The query without its question mark, or empty.</param>
internal sealed record RequestTarget(bool IsSocket, string RawPath, string RawQuery)
{
    private static readonly string[] SocketPrefixes = ["/$hc/", "/%24hc/"];

    /// <summary>The path's decoded segments: what entities are looked up by.</summary>
    public IReadOnlyList<string> Segments { get; } = Uri.UnescapeDataString(RawPath).Split('/', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>The target that a listener may see: without the protocol's parameters.</summary>
    public string Stripped => ProtocolQuery.Strip(RawQuery.Length == 0 ? RawPath : $"{RawPath}?{RawQuery}");

    /// <summary>For messages: the decoded path.</summary>
    public string Path => string.Join('/', Segments);

    public string? Parameter(string name) => ProtocolQuery.Value(RawQuery, name);

    public static RequestTarget Parse(string rawTarget)
    {
        // Absolute form is legal in HTTP/1.1; the authority in it is as untrusted as the Host header.
        if (!rawTarget.StartsWith('/'))
        {
            var slashes = rawTarget.IndexOf("://", StringComparison.Ordinal);
            var slash = slashes < 0 ? -1 : rawTarget.IndexOf('/', slashes + 3);
            rawTarget = slash < 0 ? "/" : rawTarget[slash..];
        }
        var question = rawTarget.IndexOf('?', StringComparison.Ordinal);
        var path = question < 0 ? rawTarget : rawTarget[..question];
        var query = question < 0 ? "" : rawTarget[(question + 1)..];
        var prefix = Array.Find(SocketPrefixes, candidate => path.StartsWith(candidate, StringComparison.OrdinalIgnoreCase));
        return new RequestTarget(prefix is not null, prefix is null ? path : path[(prefix.Length - 1)..], query);
    }
}
