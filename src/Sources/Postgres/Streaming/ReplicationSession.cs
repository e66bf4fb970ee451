using System.Buffers.Binary;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace Backup.Sources.Postgres.Streaming;

/// <summary>
/// A session with a server's walsender: login, commands with their rows, and the copy that BASE_BACKUP answers with. Npgsql's replication support has no
/// way to send that command. Ours speaks what physical backups need of protocol 3.0: TLS as the connection string asks for it, and the logins trust,
/// password, md5 and SCRAM-SHA-256.
/// </summary>
internal sealed class ReplicationSession : IAsyncDisposable
{
    private const int ProtocolVersion = 3 << 16;
    private const int NonceBytes = 18;

    private readonly WireConnection _wire;

    private ReplicationSession(WireConnection wire) => _wire = wire;

    /// <summary>How the password was proved, when by SCRAM.</summary>
    internal string? LoginMechanism { get; private set; }

    /// <summary>Called with each notice that the server sends beside its answers.</summary>
    internal Action<string>? WhenNoticed { get; set; }

    /// <exception cref="SourcesException">ServerUnavailable or ServerUnsuitable.</exception>
    internal static Task<ReplicationSession> OpenAsync(WireSettings settings, CancellationToken cancel) => GuardAsync("connect to", async () =>
    {
        var session = new ReplicationSession(await WireConnection.OpenAsync(settings, cancel));
        try
        {
            await session.LogInAsync(settings, cancel);
            return session;
        }
        catch
        {
            await session.DisposeAsync();
            throw;
        }
    });

    /// <summary>Sends a command and answers the rows of all its results together; nothing of them is null that we ask for.</summary>
    /// <exception cref="ReplicationError">The server refused; the session goes on.</exception>
    /// <exception cref="SourcesException">ServerUnavailable.</exception>
    internal Task<List<string?[]>> AskAsync(string command, CancellationToken cancel) => GuardAsync("ask", async () =>
    {
        var rows = new List<string?[]>();
        await BeginAsync(command, cancel);
        await foreach (var answer in AnswersAsync(cancel))
        {
            if (answer.Kind == ReplicationAnswerKind.Row)
                rows.Add(ReadRow(answer.Body.Span));
        }

        return rows;
    });

    /// <summary>Sends a command; <see cref="AnswersAsync"/> must then be read to its end.</summary>
    internal Task BeginAsync(string command, CancellationToken cancel) => _wire.SendAsync((byte)'Q', Text(command), cancel);

    /// <summary>What the server answers, up to its being ready for the next command.</summary>
    /// <exception cref="ReplicationError">The server refused; thrown at the end, when it is ready again.</exception>
    internal async IAsyncEnumerable<ReplicationAnswer> AnswersAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel)
    {
        ReplicationError? error = null;
        while (true)
        {
            var (type, body) = await _wire.ReceiveAsync(cancel);
            switch (type)
            {
                case (byte)'T':
                    yield return new ReplicationAnswer(ReplicationAnswerKind.ResultBegins, default);
                    break;
                case (byte)'D':
                    yield return new ReplicationAnswer(ReplicationAnswerKind.Row, body);
                    break;
                case (byte)'H':
                    yield return new ReplicationAnswer(ReplicationAnswerKind.CopyBegins, default);
                    break;
                case (byte)'d':
                    yield return new ReplicationAnswer(ReplicationAnswerKind.CopyData, body);
                    break;
                case (byte)'c':
                    yield return new ReplicationAnswer(ReplicationAnswerKind.CopyEnds, default);
                    break;
                case (byte)'E':
                    error = ReplicationError.Read(body.Span);
                    if (error.IsFatal)
                        throw error;
                    break;
                case (byte)'N':
                    WhenNoticed?.Invoke(ReplicationError.Read(body.Span).Message);
                    break;
                case (byte)'Z':
                    if (error is not null)
                        throw error;
                    yield break;
                case (byte)'C' or (byte)'S' or (byte)'I':
                    break;
                default:
                    throw new InvalidDataException($"The server sent a message of type {(char)type} where none may be.");
            }
        }
    }

    /// <summary>The fields of a row as text.</summary>
    internal static string?[] ReadRow(ReadOnlySpan<byte> body)
    {
        var fields = new string?[BinaryPrimitives.ReadInt16BigEndian(body)];
        body = body[sizeof(short)..];
        for (var i = 0; i < fields.Length; i++)
        {
            var length = BinaryPrimitives.ReadInt32BigEndian(body);
            body = body[sizeof(int)..];
            if (length < 0)
                continue;
            fields[i] = Encoding.UTF8.GetString(body[..length]);
            body = body[length..];
        }

        return fields;
    }

    /// <summary>Runs something and tells what fails in it as this project does.</summary>
    internal static async Task<T> GuardAsync<T>(string doing, Func<Task<T>> act)
    {
        try
        {
            return await act();
        }
        catch (Exception error) when (error is SocketException or IOException or TimeoutException or InvalidDataException)
        {
            throw new SourcesException(SourcesFault.ServerUnavailable, $"Cannot {doing} the database server: {error.Message}", "Check that the server runs and that host and port are right, then run the backup again.", error);
        }
    }

    public ValueTask DisposeAsync() => _wire.DisposeAsync();

    private async Task LogInAsync(WireSettings settings, CancellationToken cancel)
    {
        var startup = new List<byte>();
        startup.AddRange(BigEndian(ProtocolVersion));
        foreach (var text in (string[])["user", settings.User, "replication", "true", "application_name", "backup", "client_encoding", "UTF8"])
            startup.AddRange(Text(text));
        startup.Add(0);
        await _wire.SendAsync(0, startup.ToArray(), cancel);
        ScramLogin? scram = null;
        while (true)
        {
            var (type, body) = await _wire.ReceiveAsync(cancel);
            if (type == (byte)'E')
                throw Refused(ReplicationError.Read(body.Span));
            if (type == (byte)'Z')
                return;
            if (type != (byte)'R')
                continue;
            var code = BinaryPrimitives.ReadInt32BigEndian(body.Span);
            var rest = body[sizeof(int)..];
            switch (code)
            {
                case 0 when scram is { IsProved: false }:
                    throw NotTheServer();
                case 0:
                    break;
                case 3:
                    await AnswerAsync(Text(Password(settings)), cancel);
                    break;
                case 5:
                    await AnswerAsync(Text(Md5(Password(settings), settings.User, rest.ToArray())), cancel);
                    break;
                case 10:
                    scram = ScramLogin.Choose(Texts(rest.Span), settings.User, Password(settings), _wire.EndPointHash, _wire.IsEncrypted, Convert.ToBase64String(RandomNumberGenerator.GetBytes(NonceBytes)))
                        ?? throw Unknown("a SASL mechanism that is not SCRAM-SHA-256");
                    LoginMechanism = scram.Mechanism;
                    var first = Encoding.UTF8.GetBytes(scram.First);
                    await AnswerAsync([.. Text(scram.Mechanism), .. BigEndian(first.Length), .. first], cancel);
                    break;
                case 11 when scram is not null:
                    await AnswerAsync(Encoding.UTF8.GetBytes(scram.Prove(Encoding.UTF8.GetString(rest.Span))), cancel);
                    break;
                case 12 when scram is not null:
                    if (!scram.IsProvedBy(Encoding.UTF8.GetString(rest.Span)))
                        throw NotTheServer();
                    break;
                default:
                    throw Unknown($"a login of kind {code}");
            }
        }
    }

    private Task AnswerAsync(byte[] body, CancellationToken cancel) => _wire.SendAsync((byte)'p', body, cancel);

    private static string Password(WireSettings settings) => settings.Password
        ?? throw new SourcesException(SourcesFault.ServerUnsuitable, $"The server asks {settings.User} for a password and the connection string has none.", "Add Password=….");

    // What the server asks for, not what we would choose: it says md5 only for roles whose password it has stored that way.
#pragma warning disable CA5351
    internal static string Md5(string password, string user, byte[] salt)
    {
        var inner = Convert.ToHexStringLower(MD5.HashData(Encoding.UTF8.GetBytes(password + user)));
        return "md5" + Convert.ToHexStringLower(MD5.HashData([.. Encoding.ASCII.GetBytes(inner), .. salt]));
    }
#pragma warning restore CA5351

    private static SourcesException Unknown(string what) => new(SourcesFault.ServerUnsuitable, $"The server asks for {what}.", "Streaming backups can log in by trust, password, md5 and SCRAM-SHA-256: see pg_hba.conf.");

    private static SourcesException NotTheServer() => new(SourcesFault.ServerUnsuitable, "The server could not prove that it knows the password.", "Something else answers in its place; do not send it anything.");

    private static SourcesException Refused(ReplicationError error) => new(
        error.State.StartsWith("28", StringComparison.Ordinal) || error.State == PostgresErrorCodes.InsufficientPrivilege ? SourcesFault.ServerUnsuitable : SourcesFault.ServerUnavailable,
        $"Cannot connect to the database server: {error.Message} ({error.State}).",
        error.State == PostgresErrorCodes.TooManyConnections ? ServerConnection.HintFor(error.State)! : "The role needs REPLICATION, and pg_hba.conf a line for it whose database is replication.",
        error);

    private static byte[] BigEndian(int value)
    {
        var bytes = new byte[sizeof(int)];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        return bytes;
    }

    private static byte[] Text(string text) => [.. Encoding.UTF8.GetBytes(text), 0];

    private static List<string> Texts(ReadOnlySpan<byte> body)
    {
        var texts = new List<string>();
        for (var end = body.IndexOf((byte)0); end > 0; end = body.IndexOf((byte)0))
        {
            texts.Add(Encoding.UTF8.GetString(body[..end]));
            body = body[(end + 1)..];
        }

        return texts;
    }
}
