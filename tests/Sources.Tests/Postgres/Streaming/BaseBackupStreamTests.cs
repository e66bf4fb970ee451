using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Backup.Sources.Postgres;
using Backup.Sources.Postgres.Streaming;
using Npgsql;
using Shouldly;

namespace Backup.Sources.Tests.Postgres.Streaming;

/// <summary>What servers of each protocol send, and what goes wrong in between, played by a server that knows its lines.</summary>
public sealed class BaseBackupStreamTests
{
    /// <summary>Servers before 15 leave the end of an archive to whoever receives it.</summary>
    private static readonly string ArchiveEnd = new('\0', 1024);

    [Fact]
    public async Task Run_AServerOfBefore15_SendsOneCopyPerArchive()
    {
        var (command, sent, archives) = await PlayAsync(130000, [.. Opening(), .. Copy("tablespace"), .. Copy("da", "ta"), .. Closing()]);
        command.ShouldBe("BASE_BACKUP LABEL 'it''s one' PROGRESS FAST WAL NOWAIT TABLESPACE_MAP");
        archives.ShouldBe([(16400u, "tablespace" + ArchiveEnd), (null, "data" + ArchiveEnd)]);
        sent.Start.ShouldBe(new SentPosition(Lsn.Parse("0/2000028"), 1));
        sent.End.ShouldBe(new SentPosition(Lsn.Parse("0/2000100"), 1));
        sent.Tablespaces.Select(tablespace => tablespace.Bytes).ShouldBe([4096, 8192]);
    }

    [Fact]
    public async Task Run_AServerSince15_SendsAllInOneCopy()
    {
        var (command, sent, archives) = await PlayAsync(150000, [.. Opening(), .. Copy("n16400.tar\0/x\0", "dtable", "p\0\0\0\0\0\0\0\u0001", "dspace", "nbase.tar\0\0", "ddata", "m", "d{ \"Fi", "dles\": [] }"), .. Closing()]);
        command.ShouldBe("BASE_BACKUP (LABEL 'it''s one', PROGRESS, CHECKPOINT 'fast', WAL, WAIT false, TABLESPACE_MAP, MANIFEST 'yes')");
        Encoding.UTF8.GetString(sent.Manifest.ShouldNotBeNull().Span).ShouldBe("{ \"Files\": [] }");
        archives.ShouldBe([(16400u, "tablespace"), (null, "data")]);
    }

    /// <summary>While something has to be done within the backup, nothing is read that would let the server end it.</summary>
    [Theory]
    [InlineData(130000)]
    [InlineData(150000)]
    public async Task Run_StartThatTakesItsTime_TakesNoArchiveBefore(int version)
    {
        byte[] archives = version < 150000 ? [.. Copy("tablespace"), .. Copy("data")] : Copy("n16400.tar\0/x\0", "dtablespace", "nbase.tar\0\0", "ddata");
        var end = version < 150000 ? ArchiveEnd : "";
        (await PlayAsync(version, [.. Opening(), .. archives, .. Closing()], async () => await Task.Yield())).Archives.ShouldBe([(16400u, "tablespace" + end), (null, "data" + end)]);
    }

    [Fact]
    public async Task Run_ConnectionThatBreaksOff_EndsWithoutAnEnd()
    {
        var error = await Should.ThrowAsync<EndOfStreamException>(() => PlayAsync(130000, [.. Opening(), .. Copy("tablespace")[..^20]]));
        error.Message.ShouldContain("closed");
    }

    [Fact]
    public async Task Run_DamageFound_IsTheServersErrorAfterTheEnd()
    {
        byte[] refusal = Message('E', "SERROR\0VERROR\0CXX001\0Mchecksum verification failure during base backup\0\0");
        var error = await Should.ThrowAsync<ReplicationError>(() => PlayAsync(130000, [.. Opening(), .. Copy("a"), .. Copy("b"), .. Position("0/2000100"), .. refusal, .. Message('Z', "I")]));
        error.State.ShouldBe("XX001");
    }

    /// <summary>The checksum is that of "123456789" as it lies in memory; every description of CRC-32C gives it as e3069283.</summary>
    [Theory]
    [InlineData("base/1", 9, "839206e3", null)]
    [InlineData("base/1", 8, "839206e3", "in 1 places: base/1 has 9 bytes instead of 8.")]
    [InlineData("base/1", 9, "839206e4", "in 1 places: base/1 has another checksum.")]
    [InlineData("base/2", 9, "839206e3", "in 2 places: base/2 did not come.")]
    [InlineData("pg_wal/2", 9, "839206e3", "in 1 places: 1 files came that are not in it.")]
    public void Manifest_OfWhatCame_NamesTheFirstThatDiffers(string path, int bytes, string checksum, string? problem)
    {
        using var content = new ChecksummedStream(new MemoryStream("123456789"u8.ToArray()));
        content.CopyTo(Stream.Null);
        var manifest = Encoding.UTF8.GetBytes($$"""{ "PostgreSQL-Backup-Manifest-Version": 2, "Files": [ { "Path": "{{path}}", "Size": {{bytes}}, "Checksum-Algorithm": "CRC32C", "Checksum": "{{checksum}}" } ] }""");
        var found = BackupManifest.Problem(manifest, new Dictionary<string, ReceivedFile> { ["base/1"] = content.Received });
        (found?.Replace("What the server sent differs from its manifest ", "", StringComparison.Ordinal)).ShouldBe(problem);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{ \"Files\": [ { \"Path\": \"a\" } ] }")]
    public void Manifest_ThatIsNone_IsAProblem(string text) =>
        BackupManifest.Problem(Encoding.UTF8.GetBytes(text), new Dictionary<string, ReceivedFile> { ["a"] = default }).ShouldNotBeNull().ShouldContain("cannot be read");

    private static async Task<(string Command, BaseBackupStream Sent, List<(uint?, string)> Archives)> PlayAsync(int version, byte[] lines, Func<Task>? whenStarted = null)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var playing = ServeAsync(listener, lines);
        var connection = new NpgsqlConnectionStringBuilder { Host = "127.0.0.1", Port = ((IPEndPoint)listener.LocalEndpoint).Port, Username = "u", SslMode = SslMode.Disable };
        await using var session = await ReplicationSession.OpenAsync(WireSettings.Parse(connection.ConnectionString), TestContext.Current.CancellationToken);
        var sent = new BaseBackupStream(session, version);
        var archives = new List<(uint?, string)>();
        await sent.RunAsync(
            "it's one",
            isSpread: false,
            async () =>
            {
                sent.Tablespaces.Count.ShouldBe(2);
                await (whenStarted?.Invoke() ?? Task.CompletedTask);
                archives.ShouldBeEmpty();
            },
            (tablespace, content) => archives.Add((tablespace.ObjectId, new StreamReader(content).ReadToEnd())),
            TestContext.Current.CancellationToken);
        return (await playing, sent, archives);
    }

    /// <summary>Lets anybody in, reads one command, says its lines and hangs up. Answers the command.</summary>
    private static async Task<string> ServeAsync(TcpListener listener, byte[] lines)
    {
        using var client = await listener.AcceptTcpClientAsync();
        var stream = client.GetStream();
        _ = await ReadAsync(stream, hasType: false);
        await stream.WriteAsync((byte[])[.. Message('R', "\0\0\0\0"), .. Message('S', "server_version\013.1\0"), .. Message('Z', "I")]);
        var command = await ReadAsync(stream, hasType: true);
        await stream.WriteAsync(lines);
        return Encoding.UTF8.GetString(command).TrimEnd('\0');
    }

    private static async Task<byte[]> ReadAsync(NetworkStream stream, bool hasType)
    {
        var head = new byte[hasType ? 5 : 4];
        await stream.ReadExactlyAsync(head);
        var body = new byte[BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(head.Length - 4)) - 4];
        await stream.ReadExactlyAsync(body);
        return body;
    }

    private static byte[] Opening() => [.. Position("0/2000028"), .. Message('T', "\0\u0003"), .. Row("16400", "/x", "4"), .. Row(null, null, "8"), .. Message('C', "SELECT\0")];

    private static byte[] Closing() => [.. Position("0/2000100"), .. Message('C', "SELECT\0"), .. Message('Z', "I")];

    private static byte[] Position(string lsn) => [.. Message('T', "\0\u0002"), .. Row(lsn, "1"), .. Message('C', "SELECT\0")];

    private static byte[] Copy(params string[] pieces) => [.. Message('H', "\0\0\0"), .. pieces.SelectMany(piece => Message('d', piece)), .. Message('c', "")];

    private static byte[] Row(params string?[] fields) =>
        Message('D', $"\0{(char)fields.Length}" + string.Concat(fields.Select(field => field is null ? "\u00ff\u00ff\u00ff\u00ff" : $"\0\0\0{(char)field.Length}{field}")));

    /// <summary>A character is a byte here.</summary>
    private static byte[] Message(char type, string body)
    {
        var message = new byte[5 + body.Length];
        message[0] = (byte)type;
        BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(1), 4 + body.Length);
        Encoding.Latin1.GetBytes(body, message.AsSpan(5));
        return message;
    }
}
