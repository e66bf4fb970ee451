using System.Globalization;
using System.Text;
using System.Text.Json;
using Backup.Sources.Postgres.Format;
using Backup.Sources.Postgres.Recovery;
using Backup.Sources.Postgres.Wal;
using Backup.Vault;
using Backup.Vault.Snapshots;
using Npgsql;

namespace Backup.Sources.Postgres.Proving;

/// <summary>Proves a restored cluster: starts it in isolation and checks it from several sides. What it finds is a report, not an exception.</summary>
/// <param name="clock">Measures and stamps.</param>
public sealed class PostgresProof(TimeProvider clock)
{
    /// <summary>Every cluster has it.</summary>
    internal const string AnyDatabase = "template1";

    private const string SuperuserUsual = "postgres";

    /// <summary>Proves a data directory that was restored from a snapshot.</summary>
    /// <param name="vault">The vault that it came from, opened with a restore key.</param>
    /// <param name="snapshot">The base backup that it came from.</param>
    /// <param name="request">What is proven, and how.</param>
    /// <param name="step">Told of each step as it begins; or null.</param>
    /// <param name="cancel">Gives up; the server is stopped.</param>
    /// <remarks>(1) start until consistent (2) compare contents (3) indexes (4) checks (5) stop (6) pages. A step that fails does not keep the others from running.</remarks>
    /// <exception cref="SourcesException">PathMissing, ServerUnsuitable (no fitting program, a standby) or SnapshotUnsuitable: nothing could be begun.</exception>
    /// <exception cref="VaultException">The vault cannot be read.</exception>
    public async Task<ProofReport> RunAsync(OpenVault vault, SnapshotId snapshot, ProofRequest request, IProgress<ProofStep>? step, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(vault);
        ArgumentNullException.ThrowIfNull(request);
        var directory = request.DataDirectory.TrimEnd('/');
        var majorVersion = VersionOf(directory);
        if (File.Exists(Path.Combine(directory, RecoverySettings.StandbySignalName)))
        {
            throw new SourcesException(
                SourcesFault.ServerUnsuitable, $"{directory} would start as a standby, which never ends its recovery.", $"Remove {RecoverySettings.StandbySignalName} from it to prove it.");
        }

        var programs = ServerPrograms.Find(majorVersion, "postgres", request.Programs);
        var session = new ProofSession(clock, step, majorVersion);
        using var limit = new CancellationTokenSource(request.TimeLimit, clock);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
        var facts = await ReadFactsAsync(vault, snapshot, directory, request.Timeline, stop.Token);
        try
        {
            var hasChecksums = await CheckRunningAsync(session, request, directory, programs, facts, stop.Token);
            if (hasChecksums)
                session.PagesChecked = await session.RunAsync(ProofStep.Pages, tell => Task.Run(() => PageSweep.Run(directory, tell, stop.Token), stop.Token));    // (6)
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            session.Tell(session.Current, string.Create(CultureInfo.InvariantCulture, $"the time of {request.TimeLimit.TotalMinutes} minutes was up"));
        }

        return session.Report();
    }

    /// <returns>Whether pages carry checksums.</returns>
    private async Task<bool> CheckRunningAsync(ProofSession session, ProofRequest request, string directory, string programs, Facts facts, CancellationToken cancel)
    {
        var superuser = request.Superuser ?? facts.Superuser ?? SuperuserUsual;
        var (hasChecksums, isStopped) = (false, false);
        IsolatedServer? server = null;
        try
        {
            server = await session.RunAsync(ProofStep.Start, _ => IsolatedServer.StartAsync(directory, session.MajorVersion, programs, superuser, cancel));      // (1)
            var databases = await ListAsync(server, cancel);
            hasChecksums = databases.HasChecksums;
            session.ConsistentAt = clock.GetUtcNow();
            session.Content = facts.Record is { } record
                ? await session.RunAsync(ProofStep.Content, tell => new ContentComparison(record, facts.Changes!, tell).RunAsync(server, cancel))               // (2)
                : new ContentResult { Note = facts.RecordMissing };
            session.IndexesChecked = await session.RunAsync(ProofStep.Indexes, tell => CheckIndexesAsync(server, databases.Names, tell, cancel));                // (3)
            session.Checks = await session.RunAsync(ProofStep.Checks, async tell =>                                                                             // (4)
            {
                var results = await new CheckRunner(server, session.MajorVersion, databases.Names, clock).RunAsync(request.Checks, cancel);
                foreach (var failed in results.Where(result => !result.Passed))
                    tell($"{failed.Name}: {failed.Answer}");
                return results;
            });
            await server.StopAsync();                                                                                                                            // (5)
            isStopped = true;
        }
        catch (Exception failure) when (failure is SourcesException or NpgsqlException && !cancel.IsCancellationRequested)
        {
            session.Tell(session.Current, failure.Message.Split('\n')[0]);
        }
        finally
        {
            if (server is not null)
                await server.DisposeAsync();
        }

        // Pages of a server that did not stop by itself may be torn without being damaged.
        return hasChecksums && isStopped;
    }

    private static async Task<int?> CheckIndexesAsync(IsolatedServer server, IReadOnlyList<string> databases, Action<string> tell, CancellationToken cancel)
    {
        var total = 0;
        foreach (var database in databases)
        {
            if (await IndexCheck.RunAsync(() => server.OpenAsync(database, cancel), found => tell($"{database}: {found}"), cancel) is not { } count)
                return null;
            total += count;
        }

        return total;
    }

    private static async Task<(IReadOnlyList<string> Names, bool HasChecksums)> ListAsync(IsolatedServer server, CancellationToken cancel)
    {
        await using var connection = await server.OpenAsync(AnyDatabase, cancel);
        await using var query = new NpgsqlCommand($"SELECT datname::text, current_setting('data_checksums') = 'on' FROM pg_database WHERE {ServerConnection.CanBeEntered} ORDER BY 1", connection);
        await using var rows = await query.ExecuteReaderAsync(cancel);
        var (names, hasChecksums) = (new List<string>(), false);
        while (await rows.ReadAsync(cancel))
        {
            names.Add(rows.GetString(0));
            hasChecksums = rows.GetBoolean(1);
        }

        return (names, hasChecksums);
    }

    /// <summary>The major version that a data directory is of.</summary>
    /// <exception cref="SourcesException">PathMissing: it is none.</exception>
    public static int VersionOf(string directory)
    {
        var file = Path.Combine(directory, "PG_VERSION");
        return File.Exists(file) && int.TryParse(File.ReadAllText(file).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var version)
            ? version
            : throw new SourcesException(SourcesFault.PathMissing, $"{directory} holds no PostgreSQL cluster.", "Name a restored data directory.");
    }

    /// <summary>The base backup that a restored data directory came from, as it says itself; null when it does not say, or when none of them is it.</summary>
    /// <param name="directory">The restored data directory.</param>
    /// <param name="asset">The cluster's asset name; null for any.</param>
    /// <param name="snapshots">All snapshots of the vault, listed with a restore key.</param>
    public static SnapshotInfo? FindBaseBackup(string directory, string? asset, IReadOnlyList<SnapshotInfo> snapshots)
    {
        ArgumentNullException.ThrowIfNull(snapshots);
        return RestoredLabel.StartOf(directory) is { } start
            ? snapshots.Where(snapshot => asset is null || snapshot.Asset == asset)
                .Select(snapshot => snapshot.Asset)
                .Distinct()
                .SelectMany(name => BaseBackup.Of(name, snapshots))
                .LastOrDefault(backup => backup.Start == start)?.Snapshot
            : null;
    }

    private static async Task<Facts> ReadFactsAsync(OpenVault vault, SnapshotId snapshot, string directory, uint? timeline, CancellationToken cancel)
    {
        var info = await vault.ReadSnapshotAsync(snapshot, cancel);
        var backup = BaseBackup.Of(info.Asset, [info]) is [var only] ? only : throw new SourcesException(
            SourcesFault.SnapshotUnsuitable, $"Snapshot {snapshot} is no base backup.", "List them with 'backupctl snapshots'.");
        // Another base backup's record would be held against tables that were never meant to be like it.
        if (RestoredLabel.StartOf(directory) is { } start && start != backup.Start)
        {
            throw new SourcesException(
                SourcesFault.SnapshotUnsuitable,
                $"{directory} was restored from a base backup that began at {start}, and snapshot {snapshot} began at {backup.Start}.",
                "Name the base backup that was restored; 'backupctl snapshots' lists them.");
        }

        // Before the reader, which knows what was stored when it was opened: log that is received meanwhile would be in no index.
        var snapshots = timeline is null ? [] : await vault.ListSnapshotsAsync(cancel);
        using var reader = await vault.OpenReaderAsync(cancel);
        var parts = await reader.ReadTreeAsync(info.Root!.Value, cancel);
        var facts = new Facts(await ReadAsync(PostgresSource.FactsName) is { } about ? JsonSerializer.Deserialize(about, FactsJson.Default.FactsDocument)?.Superuser : null);
        if (await ReadAsync(PostgresSource.ContentName) is not { } content)
            return facts;
        var record = ContentDocument.Parse(content);
        facts = facts with { Superuser = facts.Superuser ?? record.Superuser };
        if (record.Hash != TableContent.Method)
            return facts with { RecordMissing = $"the base backup's hashes are made by another method: {record.Hash}" };
        return facts with { Record = record, Changes = await ChangedRelations.ReadAsync(reader, snapshots, backup, timeline, cancel) };

        async Task<byte[]?> ReadAsync(string name)
        {
            if (parts.FirstOrDefault(part => part.Name.Span.SequenceEqual(Encoding.ASCII.GetBytes(name)))?.Content is not { } found)
                return null;
            await using var stream = await reader.OpenContentAsync(found, cancel);
            using var bytes = new MemoryStream();
            await stream.CopyToAsync(bytes, cancel);
            return bytes.ToArray();
        }
    }

    /// <summary>What the base backup says of its cluster.</summary>
    private sealed record Facts(string? Superuser)
    {
        internal ContentDocument? Record { get; init; }

        internal ChangedRelations? Changes { get; init; }

        internal string RecordMissing { get; init; } = "the base backup holds no record of its tables";
    }
}
