using System.Globalization;
using Backup.Sources.Postgres.Format;
using Backup.Sources.Postgres.Proving;
using Backup.Vault;
using Backup.Vault.Snapshots;
using Npgsql;

namespace Backup.Sources.Postgres.Streaming;

/// <summary>A physical backup of a server that sends its files: it may be on any machine.</summary>
/// <remarks>Killed at any moment it leaves nothing behind: the server ends the backup and drops the slot when their sessions end.</remarks>
internal sealed class StreamedBackup(TimeProvider clock)
{
    /// <summary>Backs up and commits.</summary>
    /// <remarks>(1) log in and ask what the server is (2) reserve log (3) store what it sends (4) is everything there? (5) commit</remarks>
    /// <exception cref="SourcesException">ServerUnavailable, ServerUnsuitable, WalMissing or DataDamaged.</exception>
    /// <exception cref="VaultException">The vault or its store failed; then there is no snapshot.</exception>
    internal async Task<BackupOutcome> RunAsync(
        OpenVault vault, PostgresBackupRequest request, WriterOptions? options, IProgress<TransferProgress>? progress, CancellationToken cancel)
    {
        var started = clock.GetUtcNow();
        var problems = new ProblemList();
        using var counters = new TransferCounters(progress, clock);
        var settings = WireSettings.Parse(request.ConnectionString);
        await using var session = await ReplicationSession.OpenAsync(settings, cancel);                              // (1)
        var server = await IdentifyAsync(session, cancel);
        await using var writer = await vault.BeginSnapshotAsync(options ?? PostgresSource.FirstOptions, cancel);
        await using var slot = await ReserveLogAsync(settings, cancel);                                              // (2)

        counters.Enter(TransferPhase.Copying);
        var warnings = new List<string>();
        session.WhenNoticed = warnings.Add;
        var sent = new BaseBackupStream(session, server.VersionNumber);
        var pageChunkBytes = 0;
        await using var recording = new ContentRecording(request, clock, cancel);
        var cluster = new ReceivedCluster(writer, problems, counters) { Facts = () => (server, sent.Start.Position, pageChunkBytes) };
        await ReceiveAsync(                                                                                          // (3)
            sent,
            request,
            async () =>
            {
                server = server with { Timeline = sent.Start.Timeline };
                counters.BytesTotal = sent.Tablespaces.Sum(tablespace => tablespace.Bytes);
                pageChunkBytes = PageChunks.BytesFor(counters.BytesTotal.Value);
                recording.Start();
                // The server ends the backup by itself, as soon as it has sent everything; while nothing is read it cannot. Less than the network's buffers hold
                // may still be sent before: then the record is late, which it says.
                await recording.SnapshotsTaken.WaitAsync(cancel);
            },
            cluster,
            problems,
            warnings,
            cancel);
        var consistentAt = clock.GetUtcNow();

        counters.Enter(TransferPhase.Finishing);
        var (end, label) = Check(server, sent, cluster);                                                             // (4)
        var segments = cluster.Segments(server, sent.Start.Position, end);
        var point = ConsistencyPoint.Of(server, sent.Start.Position, end, segments);
        var tablespaces = cluster.Tablespaces.Select(tablespace => tablespace.Value.Own with { Subtree = tablespace.Value.Store(writer) });
        var locations = sent.Tablespaces.Where(tablespace => tablespace.ObjectId is not null).ToDictionary(tablespace => tablespace.ObjectId!.Value.ToString(CultureInfo.InvariantCulture), tablespace => tablespace.Location);
        var root = new SnapshotRoot(cluster.Data.Own, cluster.Data.Store(writer), segments, [.. tablespaces], label, cluster.TablespaceMap, FactsDocument.Of(server, point, locations)) { Content = await recording.FinishAsync(end, problems) };
        return await root.CommitAsync(writer, request, point, started, consistentAt, counters, problems, cancel);                                // (5)
    }

    private static async Task<ServerFacts> IdentifyAsync(ReplicationSession session, CancellationToken cancel)
    {
        var version = int.Parse(await ShowAsync("server_version_num") ?? "0", NumberStyles.None, CultureInfo.InvariantCulture);
        PrerequisiteCheck.RequireVersion(version);
        if (await ShowAsync("block_size") is var block && block != PageChecksum.PageBytes.ToString(CultureInfo.InvariantCulture))
            throw new SourcesException(SourcesFault.ServerUnsuitable, $"The server's block size is {block}.", $"Only servers built with {PageChecksum.PageBytes} byte blocks are supported.");
        PrerequisiteCheck.RequireLog(await ShowAsync("wal_level"));
        var identity = (await AskAsync("IDENTIFY_SYSTEM")).FirstOrDefault();
        if (identity is not [{ } system, { } timeline, ..])
            throw new SourcesException(SourcesFault.ServerUnavailable, "The server does not identify itself.", "See the server's log.");
        return new ServerFacts(
            version,
            ulong.Parse(system, NumberStyles.None, CultureInfo.InvariantCulture),
            0,
            uint.Parse(timeline, NumberStyles.None, CultureInfo.InvariantCulture),
            await ShowAsync("data_directory") ?? "",
            Bytes(await ShowAsync("wal_segment_size") ?? ""),
            await ShowAsync("data_checksums") == "on",
            CanUseSlot: true,
            IsStandby: false);

        // Some settings may be shown to some roles only.
        async Task<string?> ShowAsync(string setting)
        {
            try
            {
                return (await session.AskAsync($"SHOW {setting}", cancel)).FirstOrDefault() is [{ } value] ? value : null;
            }
            catch (ReplicationError error) when (error.State == PostgresErrorCodes.InsufficientPrivilege)
            {
                return null;
            }
        }

        async Task<List<string?[]>> AskAsync(string command)
        {
            try
            {
                return await session.AskAsync(command, cancel);
            }
            catch (ReplicationError error)
            {
                throw Refused(error);
            }
        }
    }

    /// <summary>As SHOW writes it: a number and its unit.</summary>
    private static int Bytes(string text)
    {
        var digits = text.TakeWhile(char.IsAsciiDigit).Count();
        var unit = text[digits..] switch { "MB" => 1 << 20, "GB" => 1 << 30, "kB" => 1 << 10, "B" => 1, _ => 0 };
        return int.TryParse(text.AsSpan(0, digits), NumberStyles.None, CultureInfo.InvariantCulture, out var count) && unit > 0
            ? checked(count * unit)
            : throw new SourcesException(SourcesFault.ServerUnavailable, $"The server's wal_segment_size is \"{text}\".", "Report this, with the server's version.");
    }

    /// <summary>A temporary slot of a session of its own, so that the server keeps the log that it is to send at the end; null when it would not.</summary>
    private static async Task<ReplicationSession?> ReserveLogAsync(WireSettings settings, CancellationToken cancel)
    {
        var session = await ReplicationSession.OpenAsync(settings, cancel);
        try
        {
            await session.AskAsync($"CREATE_REPLICATION_SLOT backup_{Guid.NewGuid():N} TEMPORARY PHYSICAL RESERVE_WAL", cancel);
            return session;
        }
        catch (ReplicationError error)
        {
            await session.DisposeAsync();
            // Without a slot the log may be gone when it is wanted; that is then told.
            return error.State == PostgresErrorCodes.ConfigurationLimitExceeded ? null : throw Refused(error);
        }
        catch
        {
            await session.DisposeAsync();
            throw;
        }
    }

    private static async Task ReceiveAsync(
        BaseBackupStream sent, PostgresBackupRequest request, Func<Task> whenStarted, ReceivedCluster cluster, ProblemList problems, List<string> warnings, CancellationToken cancel)
    {
        try
        {
            await ReplicationSession.GuardAsync("receive the files of", async () =>
            {
                await sent.RunAsync($"backup of {request.Asset}", request.SpreadCheckpoint, whenStarted, (tablespace, archive) => cluster.Take(tablespace, archive, cancel), cancel);
                return true;
            });
        }
        catch (ReplicationError error) when (error.State == PostgresErrorCodes.DataCorrupted && sent.End is not null)
        {
            // The server has sent everything, and says that it found pages damaged. We have checked them too and named them.
            if (!cluster.HasDamage)
                problems.Add("base", ItemProblemKind.Unreadable, $"The server found damaged pages: {string.Join(' ', warnings)}");
        }
        catch (ReplicationError error)
        {
            throw Refused(error);
        }
    }

    private static (Lsn End, string Label) Check(ServerFacts server, BaseBackupStream sent, ReceivedCluster cluster)
    {
        if (sent.End is not { } end || cluster.Label is not { } label || !cluster.HasControlFile || (sent.WantsManifest && sent.Manifest is null))
            throw new SourcesException(SourcesFault.ServerUnavailable, "The server ended the backup before it had sent everything.", "See the server's log, then run the backup again.");
        if (sent.Manifest is { } manifest && BackupManifest.Problem(manifest, cluster.Received) is { } problem)
            throw new SourcesException(SourcesFault.DataDamaged, problem, "Run the backup again; if it stays so, look at what lies between the agent and the server.");
        server.CheckTimeline(end.Timeline);
        return (end.Position, label);
    }

    private static SourcesException Refused(ReplicationError error) => new(
        error.State is "58P01" ? SourcesFault.WalMissing
            : error.State.StartsWith("57P", StringComparison.Ordinal) || error.IsFatal ? SourcesFault.ServerUnavailable
            : SourcesFault.ServerUnsuitable,
        $"The database server refuses: {error.Message} ({error.State}).",
        error.State == PostgresErrorCodes.InsufficientPrivilege ? "ALTER ROLE … REPLICATION." : "See the server's log.",
        error);
}
