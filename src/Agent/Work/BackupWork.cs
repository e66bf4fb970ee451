using System.Security.Cryptography;
using System.Text;
using Backup.Agent.Access;
using Backup.Agent.Hooks;
using Backup.Agent.Settings;
using Backup.Agent.Vaults;
using Backup.AgentApi;
using Backup.Sources;
using Backup.Sources.Files;
using Backup.Sources.Postgres;
using Backup.Sources.Postgres.Dumps;
using Backup.Vault;
using Backup.Vault.Snapshots;

namespace Backup.Agent.Work;

/// <summary>Backs up one asset into a vault.</summary>
/// <remarks>
/// (1) is it allowed (2) open the vault with the backup key (3) was this order's snapshot committed already? (4) read and commit, between the
/// asset's hooks (5) report. The order's id is a tag of the snapshot, so an order that runs again after a crash finds what it made, and makes only what is missing.
/// </remarks>
internal sealed class BackupWork(PathGuard guard, VaultShelf vaults, HookRunner hooks, HookFrame frame, ClusterTurns turns, AgentSettings settings, StateFolder state, TimeProvider time)
{
    /// <summary>The tag that ties a snapshot to the order that made it.</summary>
    public const string OrderTag = "order";

    public async Task<JobOutcome> RunAsync(OrderId id, BackupOrder order, IProgress<JobProgress> progress, CancellationToken cancel)
    {
        if (Refuse(order) is { } refusal)                                                                         // (1)
        {
            return JobOutcome.Failed(refusal);
        }

        var vault = await vaults.OpenForBackupAsync(order.Vault, cancel).ConfigureAwait(false);                   // (2)
        var snapshots = await vault.ListSnapshotsAsync(cancel).ConfigureAwait(false);
        var ofOrder = snapshots.Where(s => s.Tags.GetValueOrDefault(OrderTag) == id.Value).ToList();
        var earlier = ofOrder.Find(s => s.SourceKind != PostgresDumpSource.Kind) is { } made ? Result(order, vault.Id, made) : null;    // (3)
        var dump = ofOrder.Find(s => s.SourceKind == PostgresDumpSource.Kind);
        if (earlier is not null && (order.Postgres?.Dump is null || dump is not null))
        {
            return Report(WithDump(earlier, dump), null);
        }

        var tags = new Dictionary<string, string>(order.Tags)
        {
            [OrderTag] = id.Value,
            [AgentFacts.RunTag] = order.RunId,
            [AgentFacts.HostTag] = Environment.MachineName,
        };
        var (done, hookFailure) = await frame.RunAsync(
            id, order.Asset, order.RunId, order.Hooks ?? new BackupHooks(), () => BackUpAndDumpAsync(vault, order, earlier, tags, new TransferNote(progress), cancel), cancel).ConfigureAwait(false);    // (4)
        return done is null ? JobOutcome.Failed(hookFailure!) : Report(done, hookFailure);                          // (5)
    }

    private Failure? Refuse(BackupOrder order) => hooks.Refuse([.. order.Hooks?.Before ?? [], .. order.Hooks?.After ?? []]) ?? RefuseSource(order);

    private Failure? RefuseSource(BackupOrder order) => order.SourceKind switch
    {
        SourceKind.Files => order.Files!.Paths.Select(guard.RefuseSource).FirstOrDefault(refusal => refusal is not null),
        _ => settings.ConnectionStringFiles.ContainsKey(order.Postgres!.Connection) ? null : new Failure
        {
            Code = FailureCode.UnknownConnection,
            Message = $"The agent knows no connection '{order.Postgres.Connection}'.",
            Hint = "Compare the asset's connection in the policy with 'connections' in the agent's configuration.",
        },
    };

    private async Task<Made> BackUpAndDumpAsync(
        OpenVault vault, BackupOrder order, Made? earlier, Dictionary<string, string> tags, TransferNote progress, CancellationToken cancel)
    {
        var backup = earlier ?? Result(order, vault.Id, await BackUpAsync(vault, order, tags, progress, cancel).ConfigureAwait(false));
        if (order.Postgres?.Dump is not { } wanted)
        {
            return backup;
        }

        // The physical backup is made; whatever becomes of the dump, it stays so.
        try
        {
            var request = new PostgresDumpRequest
            {
                Asset = order.Asset,
                ConnectionString = ReadConnection(order.Postgres.Connection),
                Databases = wanted.Databases,
                Programs = settings.PostgresPrograms.GetValueOrDefault(backup.ServerVersion / 10000),
                Tags = tags,
            };
            var dump = await new PostgresDumpSource(time).BackupAsync(vault, request, new WriterOptions(), progress, cancel).ConfigureAwait(false);
            var failure = dump.Problems.FirstOrDefault(p => p.MakesPartial) is { } first ? DumpFailed($"{first.Path}: {first.Reason}", "Give the role the right to read it.") : null;
            return backup with { Result = backup.Result with { DumpSnapshotId = dump.SnapshotId.ToString(), DumpFailure = failure } };
        }
        catch (SourcesException e) when (!cancel.IsCancellationRequested)
        {
            return backup with { Result = backup.Result with { DumpFailure = DumpFailed(e.Message.Split('\n')[0], e.Hint) } };
        }
    }

    private static Failure DumpFailed(string why, string hint) => new() { Code = FailureCode.SourceFailed, Message = $"The logical dump failed: {why}", Hint = hint };

    private async Task<BackupOutcome> BackUpAsync(
        OpenVault vault, BackupOrder order, Dictionary<string, string> tags, TransferNote progress, CancellationToken cancel)
    {
        if (order.SourceKind == SourceKind.Postgres)
        {
            var cluster = new PostgresBackupRequest
            {
                Asset = order.Asset,
                ConnectionString = ReadConnection(order.Postgres!.Connection),
                CacheFolder = state.CacheFolder,
                Tags = tags,
                RestorePoint = RestorePointOf(order.RunId),
                SpreadCheckpoint = order.Postgres.SpreadCheckpoint,
                FullSpeed = order.Postgres.FullSpeed,
                RecordMebibytes = order.Postgres.RecordMebibytes ?? PostgresBackupRequest.RecordMebibytesDefault,
            };
            using var turn = await turns.TakeAsync(order.Asset, cancel).ConfigureAwait(false);
            return await new PostgresSource(time).BackupAsync(vault, cluster, null, progress, cancel).ConfigureAwait(false);
        }

        var tree = new FilesBackupRequest
        {
            Asset = order.Asset,
            Paths = order.Files!.Paths,
            Excludes = order.Files.Excludes,
            OneFileSystem = order.Files.OneFileSystem,
            CacheFolder = state.CacheFolder,
            Tags = tags,
        };
        return await new FilesSource(time).BackupAsync(vault, tree, new WriterOptions(), progress, cancel).ConfigureAwait(false);
    }

    private string ReadConnection(string name)
    {
        var file = settings.ConnectionStringFiles[name];
        try
        {
            return File.ReadAllText(file).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw AgentException.OfJob(
                new Failure { Code = FailureCode.UnknownConnection, Message = $"The connection string of '{name}' cannot be read from {file}.", Hint = "Check that file's owner and mode." }, e);
        }
    }

    /// <summary>The run's id; a longer one by its beginning and a hash, as the server takes no more.</summary>
    private static string RestorePointOf(string run) => Encoding.UTF8.GetByteCount(run) <= PostgresBackupRequest.RestorePointBytesMax
        ? run
        : $"{new string([.. run.Where(char.IsAsciiLetterOrDigit).Take(30)])}-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(run)).AsSpan(0, 8))}";

    private static JobOutcome Report(Made made, Failure? hookFailure) => new()
    {
        State = made.IsPartial || (hookFailure ?? made.Result.DumpFailure) is not null ? JobState.Partial : JobState.Succeeded,
        Backup = made.Result with { HookFailure = hookFailure },
    };

    private static Made Result(BackupOrder order, VaultId vault, BackupOutcome outcome)
    {
        var made = Result(
            order, vault, outcome.SnapshotId, outcome.StartedAt, outcome.ConsistentAt, outcome.Statistics, outcome.ItemsTotal, outcome.ItemsUnreadable, outcome.ConsistencyPoint, outcome.RestorePoint);
        var unreadable = outcome.Problems.Where(p => p.MakesPartial).Take(BackupResult.FilesUnreadableListed);
        return made with { Result = made.Result with { FilesUnreadable = [.. unreadable.Select(p => new UnreadableFile { Path = p.Path, Reason = p.Reason })] } };
    }

    /// <summary>
    /// The same result from the snapshot alone: the process died after the commit and before the report was journaled. What the
    /// snapshot seals from backup keys (paths) is not in it.
    /// </summary>
    private static Made Result(BackupOrder order, VaultId vault, SnapshotInfo snapshot) => Result(
        order, vault, snapshot.Id, snapshot.StartedAt, snapshot.ConsistentAt, snapshot.Statistics, snapshot.ItemsTotal, snapshot.ItemsUnreadable,
        Sources.Postgres.ConsistencyPoint.Find(snapshot), snapshot.Tags.GetValueOrDefault(PostgresSource.RestorePointTag));

    private static Made Result(
        BackupOrder order, VaultId vault, SnapshotId snapshot, DateTimeOffset startedAt, DateTimeOffset consistentAt, WriterStatistics statistics, long items, long unreadable,
        Sources.Postgres.ConsistencyPoint? point, string? restorePoint)
    {
        var result = new BackupResult
        {
            SnapshotId = snapshot.ToString(),
            Asset = order.Asset,
            SourceKind = order.SourceKind,
            VaultId = vault.ToString(),
            StartedAt = startedAt,
            EndedAt = consistentAt,
            BytesRead = statistics.BytesRead,
            BytesNew = statistics.BytesNew,
            BytesStored = statistics.BytesStored,
            FilesTotal = items,
            FilesUnreadableTotal = unreadable,
            ConsistencyPoint = Translate(point, restorePoint),
        };
        return new Made(result, unreadable > 0, point?.ServerVersion ?? 0);
    }

    private static Made WithDump(Made backup, SnapshotInfo? dump) => dump is null ? backup : backup with
    {
        Result = backup.Result with
        {
            DumpSnapshotId = dump.Id.ToString(),
            DumpFailure = dump.ItemsUnreadable == 0 ? null : DumpFailed($"{dump.ItemsUnreadable} of its items are missing", "The agent's log of the first attempt names them; order the backup again."),
        },
    };

    internal static AgentApi.ConsistencyPoint? Translate(Sources.Postgres.ConsistencyPoint? point, string? restorePoint) => point is null ? null : new()
    {
        Timeline = point.Timeline,
        StartLsn = point.Start.ToString(),
        StopLsn = point.Stop.ToString(),
        FirstWal = point.FirstWalFile,
        LastWal = point.LastWalFile,
        RestorePoint = restorePoint,
    };

    /// <summary>What was made.</summary>
    /// <param name="Result">The backup, and the dump that was ordered with it.</param>
    /// <param name="IsPartial">The backup itself lacks something.</param>
    /// <param name="ServerVersion">As server_version_num; 0 when nothing says it.</param>
    private sealed record Made(BackupResult Result, bool IsPartial, int ServerVersion);
}
