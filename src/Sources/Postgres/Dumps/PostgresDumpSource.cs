using System.Diagnostics;
using System.Globalization;
using System.Text;
using Backup.Sources.Posix;
using Backup.Vault;
using Backup.Vault.Chunking;
using Backup.Vault.Snapshots;
using Npgsql;

namespace Backup.Sources.Postgres.Dumps;

/// <summary>
/// Dumps databases logically: <c>pg_dump</c>'s custom format of each, and <c>pg_dumpall</c>'s global objects, streamed into the vault without a file in between.
/// </summary>
/// <remarks>
/// pg_dump compresses nothing: a compressed stream differs from its first changed row on, while the vault finds equal stretches of an uncompressed one again and
/// compresses what is new itself. Each database is dumped in a snapshot of its own.
/// </remarks>
/// <param name="clock">Stamps the snapshot.</param>
public sealed class PostgresDumpSource(TimeProvider clock)
{
    /// <summary>What snapshots of this source say in <see cref="SnapshotDescription.SourceKind"/>. They restore as files.</summary>
    public const string Kind = "postgres-dump";

    internal const string GlobalsName = "globals.sql";

    /// <summary>The sealed property that says which pg_dump it was: an older pg_restore cannot read what it wrote.</summary>
    internal const string ProgramsVersionProperty = "pg-dump-version";

    private const string Suffix = ":dump";
    private const string FileSuffix = ".dump";

    /// <summary>The asset that a cluster's dumps are under, so that the cluster's latest snapshot is always one that can be restored as it is.</summary>
    /// <param name="asset">The cluster's, or already that of its dumps.</param>
    public static string AssetOf(string asset) => asset.EndsWith(Suffix, StringComparison.Ordinal) ? asset : asset + Suffix;

    /// <summary>The file of a database in a snapshot.</summary>
    public static string FileOf(string database) => Uri.EscapeDataString(database) + FileSuffix;

    /// <summary>The database that a file in a snapshot is of; null for global objects.</summary>
    internal static string? DatabaseOf(string file) => file.EndsWith(FileSuffix, StringComparison.Ordinal) ? Uri.UnescapeDataString(file[..^FileSuffix.Length]) : null;

    /// <summary>Dumps and commits. A database that cannot be dumped makes the outcome partial and is named.</summary>
    /// <param name="vault">Where to; a backup key is enough.</param>
    /// <param name="request">What.</param>
    /// <param name="options">How the vault compresses and packs.</param>
    /// <param name="progress">Told a few times per second, from other threads; or null.</param>
    /// <param name="cancel">Gives up; then there is no snapshot.</param>
    /// <remarks>(1) which databases, which programs (2) each database (3) global objects (4) commit.</remarks>
    /// <exception cref="SourcesException">ServerUnavailable; or ServerUnsuitable: no fitting programs, or nothing could be dumped.</exception>
    /// <exception cref="VaultException">The vault or its store failed; then there is no snapshot.</exception>
    public async Task<BackupOutcome> BackupAsync(
        OpenVault vault, PostgresDumpRequest request, WriterOptions options, IProgress<TransferProgress>? progress, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(vault);
        ArgumentNullException.ThrowIfNull(request);
        ArgumentException.ThrowIfNullOrEmpty(request.Asset);
        var started = clock.GetUtcNow();
        var settings = ServerConnection.Settings(request.ConnectionString, "backup dump");
        var (version, databases) = await AskAsync(settings, request.Databases, cancel);                                       // (1)
        var programs = await DumpPrograms.ForDumpAsync(version / 10000, request.Programs, settings, cancel);
        var problems = new ProblemList();
        using var counters = new TransferCounters(progress, clock);
        await using var writer = await vault.BeginSnapshotAsync(options, cancel);
        counters.Enter(TransferPhase.Copying);
        var entries = new List<TreeEntry>();
        foreach (var database in databases)                                                                                   // (2)
            await AddAsync(FileOf(database), programs.Command("pg_dump", "--format=custom", "--compress=0", "--no-password", "--dbname", DumpPrograms.ConnectionTo(database)));
        await AddAsync(GlobalsName, programs.Command("pg_dumpall", "--globals-only", "--no-password", "--database", settings.Database ?? "postgres"));   // (3)
        if (entries.Count == 0)
        {
            throw new SourcesException(
                SourcesFault.ServerUnsuitable, $"Nothing could be dumped: {problems.Kept()[0].Reason}", "Give the role the right to read the databases; global objects take a superuser.");
        }

        counters.Enter(TransferPhase.Finishing);
        var root = writer.AddTree([.. entries.OrderBy(entry => Encoding.UTF8.GetString(entry.Name.Span), StringComparer.Ordinal)]);
        var snapshot = await writer.CommitAsync(Describe(request, version, programs, started, counters, problems), root, cancel);   // (4)
        return BackupOutcome.Of(snapshot, started, started, writer, counters, problems);

        async Task AddAsync(string name, ProcessStartInfo command)
        {
            var (content, bytes, problem) = await DumpAsync(writer, command, counters, cancel);
            if (content is not null)
            {
                counters.AddItem();
                entries.Add(new TreeEntry { Name = ByteText.Encode(name), Type = EntryType.File, Mode = PrivateFile.Mode, Size = bytes, ModifiedNanoseconds = started.ToUnixTimeMilliseconds() * 1_000_000, Content = content });
            }
            else
            {
                problems.Add(name, ItemProblemKind.Unreadable, problem!);
            }
        }
    }

    private static async Task<(Content? Content, long Bytes, string? Problem)> DumpAsync(SnapshotWriter writer, ProcessStartInfo command, TransferCounters counters, CancellationToken cancel)
    {
        var (content, bytes) = ((Content?)null, 0L);
        var (code, words) = await ProgramRun.RunAsync(command, null, async output =>
        {
            var counted = new CountedStream(output, counters);
            content = await Task.Run(() => writer.AddContent(counted, ContentHints.None, cancel), CancellationToken.None);
            bytes = counted.Bytes;
        }, cancel);
        return code == 0 ? (content, bytes, null) : (null, 0, words.Text(code));
    }

    private static Task<(int Version, IReadOnlyList<string> Databases)> AskAsync(NpgsqlConnectionStringBuilder settings, IReadOnlyList<string> wanted, CancellationToken cancel) =>
        ServerConnection.GuardAsync("ask for the databases of", async () =>
        {
            await using var connection = new NpgsqlConnection(settings.ConnectionString);
            await connection.OpenAsync(cancel);
            await using var query = new NpgsqlCommand($"SELECT current_setting('server_version_num')::int, datname::text FROM pg_database WHERE {ServerConnection.CanBeEntered} AND NOT datistemplate ORDER BY 2", connection);
            await using var rows = await query.ExecuteReaderAsync(cancel);
            var (version, all) = (0, new List<string>());
            while (await rows.ReadAsync(cancel))
            {
                version = rows.GetInt32(0);
                all.Add(rows.GetString(1));
            }

            return (version, wanted.Count == 0 ? all : wanted);
        });

    private static SnapshotDescription Describe(
        PostgresDumpRequest request, int version, DumpPrograms programs, DateTimeOffset started, TransferCounters counters, ProblemList problems) => new()
        {
            Asset = AssetOf(request.Asset),
            SourceKind = Kind,
            ConsistentAt = started,
            Tags = request.Tags,
            SealedProperties = new Dictionary<string, string>
            {
                ["server-version"] = version.ToString(CultureInfo.InvariantCulture),
                [ProgramsVersionProperty] = programs.Version,
            },
            ItemsTotal = counters.ItemsDone,
            ItemsUnreadable = problems.Count(ItemProblemKind.Unreadable),
        };

    /// <summary>Counts what is read through it.</summary>
    private sealed class CountedStream(Stream inner, TransferCounters counters) : ForwardStream
    {
        internal long Bytes { get; private set; }

        public override int Read(Span<byte> buffer)
        {
            var count = inner.Read(buffer);
            Bytes += count;
            counters.AddBytes(count);
            return count;
        }
    }
}
