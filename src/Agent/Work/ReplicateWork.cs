using Backup.Agent.Vaults;
using Backup.AgentApi;
using Backup.Vault;
using Backup.Vault.AzureBlob;
using Backup.Vault.Replicating;

namespace Backup.Agent.Work;

/// <summary>Copies what a replica lacks. Needs no key of the vault, so an agent that only backs up can replicate.</summary>
internal sealed class ReplicateWork(VaultShelf vaults, SendingLines lines, TimeProvider time)
{
    public async Task<JobOutcome> RunAsync(ReplicateOrder order, IProgress<JobProgress> progress, CancellationToken cancel)
    {
        if (!SnapshotId.TryParse(order.SnapshotId, out var snapshot))
        {
            return JobOutcome.Failed(SnapshotMissing(order.SnapshotId, order.Vault));
        }

        var source = new WatchedStore(vaults.OpenStore(order.Vault));
        try
        {
            var vault = await OpenVault.IdentifyAsync(source, cancel).ConfigureAwait(false);
            if (await source.FindLengthAsync(snapshot.Name, cancel).ConfigureAwait(false) is null)
            {
                return JobOutcome.Failed(SnapshotMissing(order.SnapshotId, order.Vault));
            }

            var line = lines.To(order.Copy);
            line.Use(order.Bandwidth);
            var outcome = await new Replication(source, Open(order, vault), time) { Copy = new CopyRequest { Budget = line.Budget } }
                .RunAsync(snapshot, new VaultNote(progress, "replicating"), cancel).ConfigureAwait(false);
            return new JobOutcome
            {
                State = JobState.Succeeded,
                Replicate = new ReplicateResult
                {
                    ObjectsTotal = outcome.ObjectsTotal,
                    ObjectsCopied = outcome.ObjectsCopied,
                    BytesTotal = outcome.BytesTotal,
                    BytesCopied = outcome.BytesCopied,
                    ManifestName = outcome.ManifestName,
                    ManifestSha256 = outcome.ManifestHash.ToString(),
                },
            };
        }
        catch (VaultException e) when (!cancel.IsCancellationRequested)
        {
            return JobOutcome.Failed(JobFailures.Of(e, source.HasFailed ? JobSide.Vault : JobSide.Replica, isRestore: false)!);
        }
    }

    private IReplicaStore Open(ReplicateOrder order, VaultId vault) => order is { Replica: { } container }
        ? Replica.Open(
            BlobLocation.Parse(container.ContainerUri.ToString()), vault, BlobCredential.FromSas(container.Sas.Reveal()),
            new BlobStoreOptions { DataPackTier = new Azure.Storage.Blobs.Models.AccessTier(container.AccessTier.ToString()) })
        : vaults.OpenCopy(order.Copy!, vault);

    private static Failure SnapshotMissing(string id, string vault) => new()
    {
        Code = FailureCode.SnapshotMissing,
        Message = $"The vault '{vault}' holds no snapshot {id}.",
        Hint = "It may have been dropped by retention; list the vault's snapshots.",
    };
}
