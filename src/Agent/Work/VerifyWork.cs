using System.Globalization;
using Backup.Agent.Vaults;
using Backup.AgentApi;
using Backup.Vault;
using Backup.Vault.AzureBlob;
using Backup.Vault.Storage;
using Backup.Vault.Verifying;

namespace Backup.Agent.Work;

/// <summary>Verifies a vault as deeply as the agent's keys allow and mends what is damaged, or looks at a copy on another node.</summary>
/// <remarks>
/// Of a vault: (1) open, after mending what it cannot be opened without (2) read those packs that were verified longest ago (3) put healthy copies in the
/// place of what is damaged, which goes to quarantine (4) report. Running it again reads what is then due, and mends what is left.
/// </remarks>
internal sealed class VerifyWork(VaultShelf vaults, TimeProvider time)
{
    private const string DepthData = "data";
    private const string DepthHashes = "hashes";

    public async Task<JobOutcome> RunAsync(VerifyOrder order, IProgress<JobProgress> progress, CancellationToken cancel) => new()
    {
        State = JobState.Succeeded,
        Verify = order.Copy is { } copy
            ? await LookAsync(copy, cancel).ConfigureAwait(false)
            : await VerifyAsync(order, new VaultNote(progress, "verifying"), cancel).ConfigureAwait(false),
    };

    private async Task<VerifyResult> VerifyAsync(VerifyOrder order, VaultNote progress, CancellationToken cancel)
    {
        var (vault, entrance) = await OpenAsync(order, cancel).ConfigureAwait(false);                             // (1)
        var store = vault?.Store ?? vaults.OpenStore(order.Vault);
        var isDeep = vault is not null && (vaults.MayRepair(order.Vault) || vaults.CanRestore(order.Vault));
        var request = new VerifyRequest { Depth = isDeep ? VerifyDepth.Data : VerifyDepth.Hashes, SamplePercent = order.SamplePercent };
        var report = vault is not null                                                                            // (2)
            ? await Verifier.VerifyAsync(vault, request, progress, cancel).ConfigureAwait(false)
            : await Verifier.VerifyWithoutKeyAsync(store, request, time, progress, cancel).ConfigureAwait(false);
        var id = vault?.Id ?? await OpenVault.IdentifyAsync(store, cancel).ConfigureAwait(false);
        var (outcomes, failure) = await MendAsync(order, id, report.Problems, cancel).ConfigureAwait(false);      // (3)

        // What an object lacks that is whole again, a snapshot no longer lacks: the next run says so if it still does.
        var missing = report.MissingPieces.Where(_ => report.Problems.Count == 0).ToArray();
        outcomes = [.. entrance, .. outcomes];
        return new VerifyResult                                                                                   // (4)
        {
            VaultId = id.ToString(),
            Depth = isDeep ? DepthData : DepthHashes,
            ObjectsChecked = report.ObjectsChecked,
            ObjectsRead = report.ObjectsRead,
            BytesRead = report.BytesRead,
            OldestVerification = report.OldestVerification,
            ProblemsTotal = entrance.Count + report.Problems.Count + missing.Length,
            Problems = [.. entrance.Select(o => Say(o.Problem)).Concat(report.Problems.Select(Say)).Concat(missing.Select(m => m.ToString())).Take(VerifyResult.ProblemsListed)],
            Mended = outcomes.Count(o => o.IsMended),
            Quarantined = outcomes.Count(o => o is { RepairedFrom: not null, Problem.Kind: not ObjectProblemKind.Missing }),
            RepairFailure = outcomes.All(o => o.IsMended) && failure is null ? null : failure ?? NoHealthyCopy,
        };
    }

    private async Task<(OpenVault? Vault, IReadOnlyList<RepairOutcome> Mended)> OpenAsync(VerifyOrder order, CancellationToken cancel)
    {
        try
        {
            return (await vaults.OpenForVerifyAsync(order.Vault, cancel).ConfigureAwait(false), []);
        }
        catch (VaultException e) when (e.Fault is VaultFault.Damaged or VaultFault.NotFound or VaultFault.NotAVault && order.RepairFrom.Count > 0 && vaults.MayRepair(order.Vault))
        {
            // Its config or keyrings: every replica of the vault has them, whichever vault of this agent it says it is.
            var mended = await Repairer.RepairEntranceAsync(vaults.OpenStoreForRepair(order.Vault), [.. Origins(order, null)], cancel).ConfigureAwait(false);
            return (await vaults.OpenForVerifyAsync(order.Vault, cancel).ConfigureAwait(false), mended);
        }
    }

    private async Task<(IReadOnlyList<RepairOutcome> Outcomes, Failure? Failure)> MendAsync(VerifyOrder order, VaultId vault, IReadOnlyList<ObjectProblem> problems, CancellationToken cancel)
    {
        if (problems.Count == 0)
        {
            return ([], null);
        }

        if (!vaults.MayRepair(order.Vault))
        {
            return ([], new Failure
            {
                Code = FailureCode.KeyRefused,
                Message = $"The agent may not replace what is damaged in the vault '{order.Vault}'.",
                Hint = "Let the agent verify it that prunes it ('caretaker' in the policy, 'pruneKeyFile' in its configuration), or run 'backupctl vault repair'.",
            });
        }

        var store = vaults.OpenStoreForRepair(order.Vault);
        return (await Repairer.RepairAsync(store, problems, [.. Origins(order, vault)], cancel, store as IQuarantine).ConfigureAwait(false), null);
    }

    private IEnumerable<IObjectStore> Origins(VerifyOrder order, VaultId? vault) =>
        from origin in order.RepairFrom
        let id = VaultId.TryParse(origin.VaultId, out var parsed) ? parsed : (VaultId?)null
        where id is not null && (vault is null || id == vault)
        select vaults.OpenOrigin(origin, id.Value);

    private async Task<VerifyResult> LookAsync(CopyToVerify copy, CancellationToken cancel)
    {
        var vault = RestoreSource.VaultOf(copy.VaultId);
        var replica = vaults.OpenCopy(copy.Place, vault);
        var options = copy.Part is { } part ? new ReplicaCheckOptions { Slice = new HashSlice(part, copy.Parts!.Value), HashedBytesMax = long.MaxValue } : null;
        try
        {
            var report = await ReplicaCheck.RunAsync(replica, vault, copy.ManifestName, copy.ManifestSha256, options, cancel).ConfigureAwait(false);
            var quarantined = 0;
            foreach (var faulty in copy.Quarantine ? report.FaultyObjects : [])
            {
                quarantined += await replica.QuarantineAsync(faulty, cancel).ConfigureAwait(false) ? 1 : 0;
            }

            return Looked(copy, report.ObjectsTotal, report.ObjectsHashed, report.BytesHashed, report.FaultsTotal, report.Faults, quarantined);
        }
        catch (VaultException e) when (e.Fault is VaultFault.Damaged or VaultFault.NotFound)
        {
            // The manifest itself: a finding, as every other one. Replicating again writes a new one.
            return Looked(copy, 0, 0, 0, 1, [e.Message.Split('\n')[0]], 0);
        }
    }

    private static VerifyResult Looked(CopyToVerify copy, long objects, long read, long bytes, long faults, IReadOnlyList<string> texts, int quarantined) => new()
    {
        VaultId = copy.VaultId,
        Depth = DepthHashes,
        ObjectsChecked = objects,
        ObjectsRead = read,
        BytesRead = bytes,
        ProblemsTotal = faults,
        Problems = [.. texts.Take(VerifyResult.ProblemsListed)],
        Quarantined = quarantined,
    };

    private static string Say(ObjectProblem problem) => string.Create(CultureInfo.InvariantCulture, $"{problem.Name}: {problem.Kind}. {problem.Detail.Split('\n')[0]}");

    private static Failure NoHealthyCopy { get; } = new()
    {
        Code = FailureCode.VaultDamaged,
        Message = "No copy had a healthy one of every damaged object.",
        Hint = "Look for another copy of the vault and run 'backupctl vault repair' with it.",
    };
}
