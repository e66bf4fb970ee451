using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;

namespace Backup.Sources.Postgres.Streaming;

/// <summary>A tablespace as BASE_BACKUP announces it; the data directory itself has no object id.</summary>
internal sealed record SentTablespace(uint? ObjectId, string Location, long Bytes);

/// <summary>A position as BASE_BACKUP tells it.</summary>
internal readonly record struct SentPosition(Lsn Position, uint Timeline)
{
    internal static SentPosition Parse(string?[] row) =>
        row is [{ } position, { } timeline, ..] && Lsn.TryParse(position, out var lsn) && uint.TryParse(timeline, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? new SentPosition(lsn, number)
            : throw new InvalidDataException("The server tells no position of the backup.");
}

/// <summary>
/// Runs BASE_BACKUP and hands on what comes: first where it starts and which tablespaces there are, then one tar archive after another. Servers from 15 on
/// send all archives in one copy, with a letter before each piece that says what it is; older ones send a copy for each.
/// </summary>
internal sealed class BaseBackupStream(ReplicationSession session, int serverVersion)
{
    /// <summary>From this version on the command has options in parentheses, and one copy for everything.</summary>
    private const int OneCopyVersion = 150000;

    /// <summary>What may wait between the network and whoever takes the files.</summary>
    private const int WaitingBytesMax = 8 * 1024 * 1024;

    /// <summary>Some 150 bytes for each file.</summary>
    private const int ManifestBytesMax = 1 << 30;

    /// <summary>Two empty blocks end a tar archive. Servers before 15 leave them out: what they send is meant to be put together.</summary>
    private static readonly byte[] ArchiveEnd = new byte[2 * 512];

    private readonly List<SentTablespace> _tablespaces = [];
    private ArrayBufferWriter<byte>? _manifest;
    private Pipe? _pipe;
    private Task _taking = Task.CompletedTask;
    private int _archives;

    internal SentPosition Start { get; private set; }

    /// <summary>Set only when the server has sent everything.</summary>
    internal SentPosition? End { get; private set; }

    internal IReadOnlyList<SentTablespace> Tablespaces => _tablespaces;

    /// <summary>Whether the server is asked for a manifest: those from 15 on are, as it comes in the same copy.</summary>
    internal bool WantsManifest => serverVersion >= OneCopyVersion;

    /// <summary>What the server says it has sent; null when it said nothing.</summary>
    internal ReadOnlyMemory<byte>? Manifest => _manifest?.WrittenMemory;

    internal static string Command(int serverVersion, string label, bool isSpread)
    {
        var quoted = $"'{label.Replace("'", "''", StringComparison.Ordinal)}'";
        return serverVersion >= OneCopyVersion
            ? $"BASE_BACKUP (LABEL {quoted}, PROGRESS, CHECKPOINT '{(isSpread ? "spread" : "fast")}', WAL, WAIT false, TABLESPACE_MAP, MANIFEST 'yes')"
            : $"BASE_BACKUP LABEL {quoted} PROGRESS{(isSpread ? "" : " FAST")} WAL NOWAIT TABLESPACE_MAP";
    }

    /// <summary>Runs it to its end.</summary>
    /// <param name="label">What the server shall call it.</param>
    /// <param name="isSpread">Let the server take its time for the checkpoint.</param>
    /// <param name="whenStarted">Called when start and tablespaces are known, and waited for before any data is read.</param>
    /// <param name="take">Takes one archive; it must read it to its end. Runs beside the network.</param>
    /// <param name="cancel">Gives up; the session is then of no use any more.</param>
    /// <exception cref="ReplicationError">The server refused, or has found damaged pages: then <see cref="End"/> is set.</exception>
    internal async Task RunAsync(string label, bool isSpread, Func<Task> whenStarted, Action<SentTablespace, Stream> take, CancellationToken cancel)
    {
        var results = 0;
        try
        {
            await session.BeginAsync(Command(serverVersion, label, isSpread), cancel);
            await foreach (var answer in session.AnswersAsync(cancel))
            {
                switch (answer.Kind)
                {
                    case ReplicationAnswerKind.ResultBegins:
                        results++;
                        break;
                    case ReplicationAnswerKind.Row:
                        TakeRow(results, ReplicationSession.ReadRow(answer.Body.Span));
                        break;
                    case ReplicationAnswerKind.CopyBegins:
                        if (_archives == 0)
                            await whenStarted();
                        if (serverVersion < OneCopyVersion)
                            await BeginArchiveAsync(NextTablespace(), take);
                        break;
                    case ReplicationAnswerKind.CopyData:
                        await TakeDataAsync(answer.Body, take, cancel);
                        break;
                    case ReplicationAnswerKind.CopyEnds:
                        if (serverVersion < OneCopyVersion)
                            await PassOnAsync(ArchiveEnd, cancel);
                        await EndArchiveAsync(null);
                        break;
                }
            }
        }
        catch (Exception error)
        {
            await EndArchiveAsync(error);
            throw;
        }
    }

    private void TakeRow(int result, string?[] row)
    {
        switch (result)
        {
            case 1:
                Start = SentPosition.Parse(row);
                break;
            case 2:
                uint? objectId = row[0] is { } id ? uint.Parse(id, NumberStyles.None, CultureInfo.InvariantCulture) : null;
                _tablespaces.Add(new SentTablespace(objectId, row[1] ?? "", row.Length > 2 && long.TryParse(row[2], NumberStyles.None, CultureInfo.InvariantCulture, out var kibibytes) ? kibibytes * 1024 : 0));
                break;
            default:
                End = SentPosition.Parse(row);
                break;
        }
    }

    /// <summary>Archives come in the order in which the tablespaces were announced.</summary>
    private SentTablespace NextTablespace() =>
        _archives < _tablespaces.Count ? _tablespaces[_archives++] : throw new InvalidDataException("The server sends more archives than it announced.");

    private async Task TakeDataAsync(ReadOnlyMemory<byte> body, Action<SentTablespace, Stream> take, CancellationToken cancel)
    {
        if (serverVersion < OneCopyVersion)
        {
            await PassOnAsync(body, cancel);
            return;
        }

        if (body.IsEmpty)
            throw new InvalidDataException("The server sends an empty piece.");
        switch (body.Span[0])
        {
            case (byte)'n':
                await EndArchiveAsync(null);
                await BeginArchiveAsync(NextTablespace(), take);
                break;
            case (byte)'m':
                await EndArchiveAsync(null);
                _manifest = new ArrayBufferWriter<byte>();
                break;
            case (byte)'d' when _manifest is not null:
                if (_manifest.WrittenCount + body.Length > ManifestBytesMax)
                    throw new InvalidDataException("The server sends a manifest without an end.");
                _manifest.Write(body.Span[1..]);
                break;
            case (byte)'d':
                await PassOnAsync(body[1..], cancel);
                break;
            case (byte)'p':
                break;
            default:
                throw new InvalidDataException($"The server sends a piece of kind {(char)body.Span[0]}.");
        }
    }

    private async Task PassOnAsync(ReadOnlyMemory<byte> data, CancellationToken cancel)
    {
        if (_pipe is null)
            throw new InvalidDataException("The server sends data that belongs to no archive.");
        var flushed = await _pipe.Writer.WriteAsync(data, cancel);
        // Whoever takes it has ended early: its own exception says why.
        if (flushed.IsCompleted)
            await _taking;
    }

    private async Task BeginArchiveAsync(SentTablespace tablespace, Action<SentTablespace, Stream> take)
    {
        await _taking;
        var pipe = _pipe = new Pipe(new PipeOptions(pauseWriterThreshold: WaitingBytesMax, resumeWriterThreshold: WaitingBytesMax / 2, minimumSegmentSize: 64 * 1024, useSynchronizationContext: false));
        _taking = Task.Factory.StartNew(
            () =>
            {
                try
                {
                    using var content = pipe.Reader.AsStream(leaveOpen: true);
                    take(tablespace, content);
                    content.CopyTo(Stream.Null);
                }
                finally
                {
                    pipe.Reader.Complete();
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
    }

    /// <param name="error">Why the archive is not whole; null when it is.</param>
    private async Task EndArchiveAsync(Exception? error)
    {
        if (_pipe is not { } pipe)
            return;
        _pipe = null;
        await pipe.Writer.CompleteAsync(error is null ? null : new IOException("The archive was cut off.", error));
        if (error is null)
            await _taking;
        else
            await _taking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
