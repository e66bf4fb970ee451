using System.Reflection;
using System.Text.Json;
using Backup.Agent.Jobs;
using Backup.Agent.Logs;
using Backup.Agent.Orders;
using Backup.Agent.Settings;
using Backup.Agent.Wal;
using Backup.Agent.Work;
using Backup.AgentApi;
using Backup.Sources.Postgres;
using Backup.Sources.Postgres.Dumps;
using Backup.Sources.Postgres.Wal;
using Backup.Vault;
using Backup.Vault.AzureBlob;
using Backup.Vault.Pruning;
using Backup.Vault.Snapshots;

namespace Backup.Agent.Vaults;

/// <summary>What the agent tells about itself and its vaults.</summary>
internal sealed class AgentFacts(AgentSettings settings, VaultShelf vaults, JobBook book, IKeyRing keys, RecentLines log, RpoBoard rpo, SurveyNotes surveys, TimeProvider time) : IAgentFacts
{
    /// <summary>The tag that ties a snapshot to the run that made it.</summary>
    public const string RunTag = "run";

    /// <summary>The tag that names the machine a snapshot was taken on.</summary>
    public const string HostTag = "host";

    private static readonly string Version = Assembly.GetExecutingAssembly().GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    private readonly DateTimeOffset _startedAt = time.GetUtcNow();

    public async Task<AgentHealth> HealthAsync(CancellationToken cancel)
    {
        var health = await Task.WhenAll(vaults.Names.Select(name => HealthOfAsync(name, cancel))).ConfigureAwait(false);
        var (running, queued) = book.Counts();
        return new AgentHealth
        {
            Agent = settings.Name,
            Version = Version,
            StartedAt = _startedAt,
            Now = time.GetUtcNow(),
            JobsRunning = running,
            JobsQueued = queued,
            Vaults = [.. health.OrderBy(v => v.Name, StringComparer.Ordinal)],
            Copies = [.. await Task.WhenAll(vaults.CopyNames.Order(StringComparer.Ordinal).Select(HealthOfPlaceAsync)).ConfigureAwait(false)],
        };
    }

    public AgentInventory Inventory() => new()
    {
        Agent = settings.Name,
        Site = settings.Site,
        Version = Version,
        Operations = [.. Enum.GetValues<Operation>().Select(o => JsonSerializer.SerializeToElement(o).GetString()!)],
        SourceKinds = Enum.GetValues<SourceKind>(),
        Vaults = [.. settings.Vaults.OrderBy(v => v.Key, StringComparer.Ordinal).Select(v => new VaultEntry { Name = v.Key, Location = v.Value.Location, CanRestore = vaults.CanRestore(v.Key) })],
        Connections = [.. settings.ConnectionStringFiles.Keys.Order(StringComparer.Ordinal)],
        AllowedSources = settings.AllowedSources,
        RestoreRoots = settings.RestoreRoots,
        ConcurrentJobs = settings.ConcurrentJobs,
        KeyIds = [.. keys.Own.Select(k => k.Public.KeyId.ToString())],
        TrustedKeyIds = [.. keys.Trusted.Select(k => k.KeyId.ToString())],
    };

    public RpoReadings Rpo() => rpo.Read();

    public LogTail Log(LogQuery query) => log.Tail(query);

    public async Task<(SnapshotPage? Page, Failure? Refusal)> SnapshotsAsync(SnapshotsQuery query, CancellationToken cancel)
    {
        try
        {
            var vault = await vaults.OpenForBackupAsync(query.Vault, cancel).ConfigureAwait(false);
            // Kinds of a newer release are left out: this one could not restore them either.
            var listed = await vault.ListSnapshotsAsync(cancel).ConfigureAwait(false);
            var all = listed.Where(s => KindOf(s) is not null).ToList();
            var from = 0;
            if (query.After is { } after)
            {
                from = all.Index().Where(s => s.Item.Id.ToString() == after).Select(s => s.Index + 1).DefaultIfEmpty(-1).First();
                if (from < 0)
                {
                    return (null, new Failure { Code = FailureCode.SnapshotMissing, Message = $"There is no snapshot {after} to go on after.", Hint = "Ask from the beginning: it was dropped meanwhile." });
                }
            }

            var logUntil = all.Where(s => KindOf(s) == SourceKind.Postgres).Select(s => s.Asset).Distinct(StringComparer.Ordinal).SelectMany(asset => LogCoverage.Of(asset, listed)).ToDictionary();
            // An order that was carried out twice made two: the newest is the one that was reported.
            var dumps = listed.Where(s => s.SourceKind == PostgresDumpSource.Kind && s.Tags.ContainsKey(BackupWork.OrderTag)).OrderBy(s => s.CommittedAt)
                .GroupBy(s => s.Tags[BackupWork.OrderTag], StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.Last().Id, StringComparer.Ordinal);
            var page = all.Skip(from).Take(SnapshotsQuery.PageItemsMax).Select(s => Summarise(s, vault.Id, dumps, logUntil.TryGetValue(s.Id, out var until) ? until : null)).ToList();
            return (new SnapshotPage { Snapshots = page, Next = from + page.Count < all.Count ? page[^1].SnapshotId : null }, null);
        }
        catch (Exception e) when (!cancel.IsCancellationRequested && JobFailures.Of(e, JobSide.Vault, isRestore: false) is not null)
        {
            return (null, JobFailures.Of(e, JobSide.Vault, isRestore: false));
        }
    }

    public async Task<(DeletionPage? Page, Failure? Refusal)> DeletionsAsync(DeletionsQuery query, CancellationToken cancel)
    {
        try
        {
            var store = vaults.OpenStore(query.Vault);
            var names = (await PruneNotes.DeletedPacksAsync(store, cancel).ConfigureAwait(false)).Select(pack => pack.ToString()).Order(StringComparer.Ordinal)
                .SkipWhile(name => query.After is { } after && string.CompareOrdinal(name, after) <= 0).Take(DeletionsQuery.PageItemsMax + 1).ToList();
            var page = names[..Math.Min(names.Count, DeletionsQuery.PageItemsMax)];
            return (new DeletionPage { Names = page, Next = page.Count < names.Count ? page[^1] : null }, null);
        }
        catch (Exception e) when (!cancel.IsCancellationRequested && JobFailures.Of(e, JobSide.Vault, isRestore: false) is not null)
        {
            return (null, JobFailures.Of(e, JobSide.Vault, isRestore: false));
        }
    }

    public (SurveyPacksPage? Page, Failure? Refusal) SurveyPacks(SurveyPacksQuery query)
    {
        try
        {
            return surveys.Read(query) is { } page
                ? (page, null)
                : (null, new Failure { Code = FailureCode.InvalidOrder, Message = $"There is no survey {query.OrderId}.", Hint = "Order it again: what it found was removed." });
        }
        catch (AgentException e) when (e.Failure is { } failure)
        {
            return (null, failure);
        }
    }

    private async Task<VaultHealth> HealthOfAsync(string name, CancellationToken cancel)
    {
        try
        {
            var id = settings.Vaults[name].BackupKeyFile is null
                ? await OpenVault.IdentifyAsync(vaults.OpenStore(name), cancel).ConfigureAwait(false)
                : (await vaults.OpenForBackupAsync(name, cancel).ConfigureAwait(false)).Id;
            var disk = DiskOf(settings.Vaults[name].Location);
            return new VaultHealth { Name = name, VaultId = id.ToString(), CanRestore = vaults.CanRestore(name), BytesFree = disk?.Free, BytesTotal = disk?.Total };
        }
        catch (Exception e) when (!cancel.IsCancellationRequested && JobFailures.Of(e, JobSide.Vault, isRestore: false) is not null)
        {
            return new VaultHealth { Name = name, Failure = JobFailures.Of(e, JobSide.Vault, isRestore: false) };
        }
    }

    private Task<PlaceHealth> HealthOfPlaceAsync(string name) => Task.Run(() =>
    {
        try
        {
            var disk = DiskOf(vaults.FindCopies(name));
            return new PlaceHealth { Name = name, BytesFree = disk?.Free, BytesTotal = disk?.Total };
        }
        catch (AgentException e) when (e.Failure is { } failure)
        {
            return new PlaceHealth { Name = name, Failure = failure };
        }
    });

    /// <summary>Null where there is no disk, or where it does not say (a share that went stale): that must not hide the health of everything else.</summary>
    private static (long Free, long Total)? DiskOf(string place)
    {
        if (BlobLocation.IsUrl(place))
        {
            return null;
        }

        try
        {
            var disk = new DriveInfo(place);
            return (disk.AvailableFreeSpace, disk.TotalSize);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static SourceKind? KindOf(SnapshotInfo s) => Enum.TryParse<SourceKind>(s.SourceKind, ignoreCase: true, out var kind) ? kind : null;

    private static SnapshotSummary Summarise(SnapshotInfo s, VaultId vault, Dictionary<string, SnapshotId> dumps, DateTimeOffset? logUntil) => new()
    {
        SnapshotId = s.Id.ToString(),
        Asset = s.Asset,
        SourceKind = KindOf(s)!.Value,
        VaultId = vault.ToString(),
        StartedAt = s.StartedAt,
        EndedAt = s.ConsistentAt,
        Host = s.Tags.GetValueOrDefault(HostTag),
        RunId = s.Tags.GetValueOrDefault(RunTag),
        BytesRead = s.Statistics.BytesRead,
        BytesNew = s.Statistics.BytesNew,
        BytesStored = s.Statistics.BytesStored,
        FilesTotal = s.ItemsTotal,
        FilesUnreadableTotal = s.ItemsUnreadable,
        ConsistencyPoint = BackupWork.Translate(Sources.Postgres.ConsistencyPoint.Find(s), s.Tags.GetValueOrDefault(PostgresSource.RestorePointTag)),
        DumpSnapshotId = KindOf(s) is SourceKind.Postgres && s.Tags.GetValueOrDefault(BackupWork.OrderTag) is { } order && dumps.TryGetValue(order, out var dump) ? dump.ToString() : null,
        LogUntil = logUntil,
        Tags = s.Tags,
    };
}
