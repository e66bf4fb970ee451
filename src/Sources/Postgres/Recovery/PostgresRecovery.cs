using System.Text;
using Backup.Sources.Posix;
using Backup.Vault;
using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres.Recovery;

/// <summary>Restores a cluster so that the server, when it is started, recovers it to a point in time by itself.</summary>
/// <param name="clock">Measures and stamps.</param>
public sealed class PostgresRecovery(TimeProvider clock)
{
    private const long SampleBytesMax = 64 << 20;

    /// <summary>Finds out whether and how the goal can be reached. Changes nothing.</summary>
    /// <param name="vault">Opened with a restore key.</param>
    /// <param name="request">What is wanted.</param>
    /// <param name="measure">Also read up to 64 MiB of the base backup to see how fast it will go.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="SourcesException">TargetUnreachable: says why, and what can be restored.</exception>
    /// <exception cref="VaultException">The vault cannot be read.</exception>
    public async Task<RecoveryPlan> PlanAsync(OpenVault vault, RecoveryRequest request, bool measure, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(vault);
        ArgumentNullException.ThrowIfNull(request);
        var snapshots = await vault.ListSnapshotsAsync(cancel);
        using var reader = await vault.OpenReaderAsync(cancel);
        var plan = await new RecoveryPlanner(reader, snapshots, request).PlanAsync(cancel);
        return measure ? plan with { BytesPerSecondMeasured = await MeasureAsync(reader, snapshots.First(snapshot => snapshot.Id == plan.BaseBackup), cancel) } : plan;
    }

    /// <summary>Restores the base backup of a plan, with its log where no command will fetch that, and writes recovery's settings.</summary>
    /// <param name="vault">Opened with a restore key.</param>
    /// <param name="request">What is wanted.</param>
    /// <param name="plan">From <see cref="PlanAsync"/> for the same request.</param>
    /// <param name="progress">Told a few times per second, from other threads; or null.</param>
    /// <param name="cancel">Gives up. What was written stays, and the same request continues.</param>
    /// <remarks>Until the settings are there the directory cannot be started: pg_control comes last of all.</remarks>
    /// <exception cref="SourcesException">As restores of <see cref="PostgresRestore"/>.</exception>
    /// <exception cref="VaultException">The vault cannot be read.</exception>
    public async Task<RestoreOutcome> RunAsync(
        OpenVault vault, RecoveryRequest request, RecoveryPlan plan, IProgress<TransferProgress>? progress, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(plan);
        return await new PostgresRestore(clock).RestoreAsync(vault, plan.BaseBackup, request.Files, PrepareAsync, progress, cancel);

        async Task PrepareAsync(Descriptor data, (uint User, uint Group)? owner)
        {
            if (request.RestoreCommand is null)
                await new RecoveryLog(vault, request.Asset, plan).PutAsync(data, owner, cancel);
            WriteSettings(data, owner, plan.Settings);
        }
    }

    private static void WriteSettings(Descriptor data, (uint User, uint Group)? owner, IReadOnlyDictionary<string, string> settings)
    {
        byte[] existing = [];
        if (!data.OpenForReading(Encoding.ASCII.GetBytes(RecoverySettings.FileName), out var file).IsError)
        {
            using (file)
            {
                var error = file!.Status(out var status);
                existing = new byte[status.Size];
                if (!error.IsError)
                    error = file.ReadFully(existing, 0, out _);
                if (error.IsError)
                    throw error.Failure("read", RecoverySettings.FileName);
            }
        }

        // A backup of a standby would go on as one.
        _ = data.RemoveFile(Encoding.ASCII.GetBytes(RecoverySettings.StandbySignalName));
        Write(data, owner, RecoverySettings.FileName, RecoverySettings.Merge(existing, settings));
        Write(data, owner, RecoverySettings.SignalName, []);
    }

    private static void Write(Descriptor data, (uint User, uint Group)? owner, string name, byte[] content)
    {
        var error = PrivateFile.Replace(data, Encoding.ASCII.GetBytes(name), content, owner);
        if (error.IsError)
            throw error.Failure("write", name);
    }

    /// <summary>Reads some of the base backup's largest files, as a restore does: fetch, decrypt, decompress, check.</summary>
    private async Task<double?> MeasureAsync(VaultReader reader, SnapshotInfo backup, CancellationToken cancel)
    {
        var wanted = new List<ContentPart>();
        long bytes = 0;
        var folders = new Stack<TreeId>([backup.Root!.Value]);
        while (bytes < SampleBytesMax && folders.TryPop(out var folder))
        {
            foreach (var entry in await reader.ReadTreeAsync(folder, cancel))
            {
                if (entry.Subtree is { } subtree)
                    folders.Push(subtree);
                if (entry.Content is not { Length: > 0 } content || bytes >= SampleBytesMax)
                    continue;
                foreach (var part in (await reader.ExpandAsync(content, cancel)).Parts)
                {
                    if (bytes >= SampleBytesMax)
                        break;
                    wanted.Add(part);
                    bytes += part.Length;
                }
            }
        }

        var started = clock.GetTimestamp();
        var sink = new NullSink();
        await reader.FetchAsync(wanted, sink, Math.Clamp(Environment.ProcessorCount, 2, 64), cancel);
        var seconds = clock.GetElapsedTime(started).TotalSeconds;
        return sink.Failure is null ? (seconds > 0 ? bytes / seconds : null) : throw sink.Failure;
    }

    private sealed class NullSink : IChunkSink
    {
        private VaultException? _failure;

        internal VaultException? Failure => _failure;

        public void Deliver(int want, int count, ReadOnlySpan<byte> data)
        {
            // Only the time it takes counts.
        }

        public void Fail(int want, VaultException why) => Interlocked.CompareExchange(ref _failure, why, null);
    }
}
