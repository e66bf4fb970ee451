namespace Backup.Relay;

/// <summary>A request to a listener.</summary>
public sealed record RelayCall
{
    /// <summary>The method. Default POST.</summary>
    public HttpMethod Method { get; init; } = HttpMethod.Post;

    /// <summary>What follows the entity's path, percent-encoded: empty, or starting with a slash; may hold a query. Seen by the relay: no secrets.</summary>
    public string Suffix { get; init; } = "";

    /// <summary>The body; empty for none. Up to 64 KiB travel by the control channel.</summary>
    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>The body's type.</summary>
    public string ContentType { get; init; } = "application/octet-stream";

    /// <summary>Further request headers. Seen by the relay: no secrets.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    /// <summary>The longest answer that is read, in bytes. Default 8 MiB.</summary>
    public int AnswerBytesMax { get; init; } = 8 * 1024 * 1024;

    /// <summary>How long to wait for the whole answer. Default 75 s: the relay itself answers 504 after 60.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(75);
}

/// <summary>A WebSocket stream to open.</summary>
public sealed record RelayStreamCall
{
    /// <summary>What follows the entity's path: empty, or starting with a slash; no query. Seen by the relay: no secrets.</summary>
    public string Suffix { get; init; } = "";

    /// <summary>Query parameters, percent-encoded, without a question mark; empty for none. Seen by the relay: no secrets.</summary>
    public string Query { get; init; } = "";

    /// <summary>Offered subprotocols, most wanted first.</summary>
    public IReadOnlyList<string> SubProtocols { get; init; } = [];

    /// <summary>Headers that the listener sees in its offer. Seen by the relay: no secrets.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();
}

/// <summary>What became of a call: exactly one of <see cref="Answered"/>, <see cref="NotDelivered"/> and <see cref="OutcomeUnknown"/>.</summary>
public abstract record RelayReply
{
    private RelayReply()
    {
    }

    /// <summary>The listener answered, with whatever status. Whether the answer is genuine only its content can prove.</summary>
    /// <param name="StatusCode">The listener's status.</param>
    /// <param name="Reason">The listener's reason phrase.</param>
    /// <param name="Body">The listener's body.</param>
    /// <param name="ContentType">The body's type; null when the listener gave none.</param>
    public sealed record Answered(int StatusCode, string Reason, ReadOnlyMemory<byte> Body, string? ContentType) : RelayReply;

    /// <summary>The listener has not seen the call and never will: nobody listens, the relay refused it, or it could not be reached.</summary>
    /// <param name="Failure">Why; see <see cref="RelayException.IsTransient"/>.</param>
    public sealed record NotDelivered(RelayException Failure) : RelayReply;

    /// <summary>The listener may or may not have acted on the call: ask again with the same order id.</summary>
    /// <param name="Failure">Why it is not known.</param>
    public sealed record OutcomeUnknown(RelayException Failure) : RelayReply;
}
