using System.Globalization;
using System.Text;
using Backup.Sources.Posix;
using Backup.Sources.Postgres.Format;
using Backup.Vault;
using Backup.Vault.Chunking;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres;

/// <summary>The top of a physical backup's snapshot, however its files were read.</summary>
/// <param name="Folder">What the top's entries have of owner and times.</param>
/// <param name="Data">The data directory.</param>
/// <param name="Segments">The log, by name.</param>
/// <param name="Tablespaces">Their folders, named by object id.</param>
/// <param name="Label">The file backup_label.</param>
/// <param name="TablespaceMap">The file tablespace_map.</param>
/// <param name="Facts">The file backup.json.</param>
internal sealed record SnapshotRoot(
    TreeEntry Folder, TreeId Data, IReadOnlyList<TreeEntry> Segments, IReadOnlyList<TreeEntry> Tablespaces, string Label, string TablespaceMap, FactsDocument Facts)
{
    /// <summary>The file content.json; null for none.</summary>
    internal ContentDocument? Content { get; init; }

    /// <summary>Stores it and commits the snapshot; answers what there is to say of the backup.</summary>
    internal async Task<BackupOutcome> CommitAsync(
        SnapshotWriter writer, PostgresBackupRequest request, ConsistencyPoint point, DateTimeOffset started, DateTimeOffset consistentAt,
        TransferCounters counters, ProblemList problems, CancellationToken cancel)
    {
        // Behind the end of the backup, or no recovery from it could stop there.
        var noRestorePoint = request.RestorePoint is { } name ? await ServerStatement.MakeRestorePointAsync(request.ConnectionString, name, cancel) : null;
        if (noRestorePoint is not null)
            problems.Add(PostgresSource.LabelName, ItemProblemKind.Note, $"The restore point \"{request.RestorePoint}\" was not made: {noRestorePoint}.");
        var restorePoint = noRestorePoint is null ? request.RestorePoint : null;
        var snapshot = await writer.CommitAsync(Describe(request, point, restorePoint, consistentAt, counters, problems), Store(writer, cancel), cancel);
        return BackupOutcome.Of(snapshot, started, consistentAt, writer, counters, problems) with { ConsistencyPoint = point, RestorePoint = restorePoint };
    }

    private TreeId Store(SnapshotWriter writer, CancellationToken cancel)
    {
        var entries = new List<TreeEntry>
        {
            Directory(PostgresSource.DataName, Data),
            Directory(PostgresSource.WalName, writer.AddTree(Segments)),
            Text(PostgresSource.FactsName, Facts.ToBytes()),
            Text(PostgresSource.LabelName, Encoding.UTF8.GetBytes(Label)),
        };
        if (Content is not null)
            entries.Add(Text(PostgresSource.ContentName, Content.ToBytes()));
        if (Tablespaces.Count > 0)
        {
            entries.Add(Directory(PostgresSource.TablespacesName, writer.AddTree([.. Tablespaces.OrderBy(entry => Encoding.ASCII.GetString(entry.Name.Span), StringComparer.Ordinal)])));
            entries.Add(Text(PostgresSource.MapName, Encoding.UTF8.GetBytes(TablespaceMap)));
        }

        return writer.AddTree([.. entries.OrderBy(entry => Encoding.ASCII.GetString(entry.Name.Span), StringComparer.Ordinal)]);

        TreeEntry Directory(string name, TreeId tree) => Folder with { Name = ByteText.Encode(name), Subtree = tree };

        TreeEntry Text(string name, byte[] content) => Folder with
        {
            Name = ByteText.Encode(name),
            Type = EntryType.File,
            Mode = PrivateFile.Mode,
            Size = content.Length,
            Content = writer.AddContent(new MemoryStream(content), new ContentHints { LengthExpected = content.Length }, cancel),
        };
    }

    private SnapshotDescription Describe(PostgresBackupRequest request, ConsistencyPoint point, string? restorePoint, DateTimeOffset consistentAt, TransferCounters counters, ProblemList problems) => new()
    {
        Asset = request.Asset,
        SourceKind = PostgresSource.Kind,
        ConsistentAt = consistentAt,
        Tags = Tags(request, point, restorePoint),
        SealedProperties = new Dictionary<string, string>
        {
            ["start-lsn"] = point.Start.ToString(),
            ["stop-lsn"] = point.Stop.ToString(),
            ["timeline"] = point.Timeline.ToString(CultureInfo.InvariantCulture),
            ["system-identifier"] = point.SystemIdentifier.ToString(CultureInfo.InvariantCulture),
            ["server-version"] = point.ServerVersion.ToString(CultureInfo.InvariantCulture),
        },
        ItemsTotal = counters.ItemsDone,
        ItemsUnreadable = problems.Count(ItemProblemKind.Unreadable),
    };

    private Dictionary<string, string> Tags(PostgresBackupRequest request, ConsistencyPoint point, string? restorePoint)
    {
        var tags = new Dictionary<string, string>(request.Tags)
        {
            [ConsistencyPoint.TagName] = point.ToTag(),
            [PostgresSource.ChecksumsTag] = PostgresSource.ChecksumsText(Facts.DataChecksums),
        };
        if (restorePoint is not null)
            tags[PostgresSource.RestorePointTag] = restorePoint;
        return tags;
    }
}
