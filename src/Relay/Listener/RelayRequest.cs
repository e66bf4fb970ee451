using System.Diagnostics.CodeAnalysis;

namespace Backup.Relay;

/// <summary>One HTTP request that a sender made to this entity. Everything in it may have been read or altered on the way.</summary>
public sealed class RelayRequest
{
    internal RelayRequest(string method, RelayTarget target, IReadOnlyDictionary<string, string> headers, Stream body)
    {
        Method = method;
        Target = target;
        Headers = headers;
        Body = body;
    }

    /// <summary>The method, as received.</summary>
    public string Method { get; }

    /// <summary>What was asked for.</summary>
    public RelayTarget Target { get; }

    /// <summary>The sender's headers without the relay's own; names compare without case, repeated ones are comma-joined.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; }

    /// <summary>The body; empty when there is none. Of any length: read it asynchronously, once, and bound what you keep.</summary>
    public Stream Body { get; }

    /// <summary>Reads the whole body into memory.</summary>
    /// <exception cref="RelayException">It is longer than <paramref name="bytesMax"/> (<see cref="RelayFault.TooLarge"/>).</exception>
    public async Task<byte[]> ReadBodyAsync(int bytesMax, CancellationToken cancel)
    {
        using var into = new MemoryStream();
        var buffer = new byte[16 * 1024];
        int read;
        while ((read = await Body.ReadAsync(buffer, cancel).ConfigureAwait(false)) > 0)
        {
            if (into.Length + read > bytesMax) throw new RelayException(RelayFault.TooLarge, $"The request's body is longer than {bytesMax} bytes.", "Send less.");
            into.Write(buffer, 0, read);
        }
        return into.ToArray();
    }
}

/// <summary>A request target, percent-encoded as received.</summary>
/// <param name="Suffix">What follows the entity's path: empty, or starting with a slash, such as <c>/v1/orders</c>.</param>
/// <param name="Query">What follows the question mark; empty when there is none.</param>
public sealed record RelayTarget(string Suffix, string Query)
{
    /// <summary>Splits <c>/{entity}/{suffix}?{query}</c>.</summary>
    internal static RelayTarget Parse(string target, EntityPath entity)
    {
        var question = target.IndexOf('?', StringComparison.Ordinal);
        var path = question < 0 ? target : target[..question];
        var query = question < 0 ? "" : target[(question + 1)..];
        var at = 0;
        for (var segment = 0; segment < entity.SegmentCount && at >= 0; segment++)
            at = at + 1 <= path.Length ? path.IndexOf('/', at + 1) : -1;
        return new RelayTarget(at < 0 ? "" : path[at..], query);
    }
}

/// <summary>The answer to a <see cref="RelayRequest"/>.</summary>
public sealed class RelayResponse
{
    private RelayResponse(int statusCode, ReadOnlyMemory<byte> bytes, Stream? stream)
    {
        if (statusCode is < 200 or > 999) throw new ArgumentOutOfRangeException(nameof(statusCode), statusCode, "A status is 200 to 999.");
        StatusCode = statusCode;
        Bytes = bytes;
        Stream = stream;
    }

    /// <summary>200 to 999. Avoid 502 and 504, which senders may take for the relay's own.</summary>
    public int StatusCode { get; }

    /// <summary>The reason phrase; printable ASCII.</summary>
    public string Reason { get; init; } = "";

    /// <summary>Headers; each name once, which rules out several cookies.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    internal ReadOnlyMemory<byte> Bytes { get; }

    internal Stream? Stream { get; }

    /// <summary>An answer without a body.</summary>
    public static RelayResponse Empty(int statusCode) => new(statusCode, default, null);

    /// <summary>An answer whose body is in memory.</summary>
    public static RelayResponse FromBytes(int statusCode, ReadOnlyMemory<byte> body, string contentType = "application/octet-stream") =>
        new(statusCode, body, null) { Headers = new Dictionary<string, string> { ["Content-Type"] = contentType } };

    /// <summary>An answer of any length. The stream is read once and disposed.</summary>
    [SuppressMessage("Naming", "CA1720", Justification = "The word is the type's.")]
    public static RelayResponse FromStream(int statusCode, Stream body, string contentType = "application/octet-stream") =>
        new(statusCode, default, body) { Headers = new Dictionary<string, string> { ["Content-Type"] = contentType } };
}
