using System.Text;

namespace Backup.Sources.Postgres.Streaming;

internal enum ReplicationAnswerKind
{
    ResultBegins,
    Row,
    CopyBegins,
    CopyData,
    CopyEnds,
}

/// <summary>One message of an answer. Its body is valid until the next is read.</summary>
internal readonly record struct ReplicationAnswer(ReplicationAnswerKind Kind, ReadOnlyMemory<byte> Body);

/// <summary>What a server says when it refuses or warns.</summary>
internal sealed class ReplicationError(string severity, string state, string text) : Exception(text)
{
    /// <summary>Five characters, as PostgreSQL's documentation lists them.</summary>
    internal string State => state;

    /// <summary>The session is over.</summary>
    internal bool IsFatal => severity is "FATAL" or "PANIC";

    internal static ReplicationError Read(ReadOnlySpan<byte> body)
    {
        var (severity, state, text) = ("", "", "");
        while (body.Length > 1 && body[0] != 0)
        {
            var end = body[1..].IndexOf((byte)0);
            if (end < 0)
                break;
            var value = Encoding.UTF8.GetString(body.Slice(1, end));
            switch (body[0])
            {
                // Not translated, unlike S; all supported versions send it.
                case (byte)'V':
                    severity = value;
                    break;
                case (byte)'C':
                    state = value;
                    break;
                case (byte)'M':
                    text = value;
                    break;
            }

            body = body[(end + 2)..];
        }

        return new ReplicationError(severity, state, text);
    }
}
