using Backup.Vault.Storage;

namespace Backup.Vault.Verifying;

/// <summary>What became of one damaged object.</summary>
/// <param name="Problem">What was wrong.</param>
/// <param name="RepairedFrom">The replica that had a healthy copy, or null when none had.</param>
public sealed record RepairOutcome(ObjectProblem Problem, string? RepairedFrom)
{
    /// <summary>Nobody had a healthy copy and the object was removed, since the vault is whole without it: damaged marks and ledgers say nothing.</summary>
    public bool IsRemoved { get; init; }

    /// <summary>Whether nothing is wrong any more.</summary>
    public bool IsMended => RepairedFrom is not null || IsRemoved;
}

/// <summary>Puts healthy copies from replicas in the place of damaged or missing objects. Needs no key: names vouch for bytes.</summary>
public static class Repairer
{
    /// <summary>Repairs what a verification found. The order of the replicas is the order in which they are asked.</summary>
    /// <param name="store">The store to repair; its credential must be able to delete.</param>
    /// <param name="problems">From a <see cref="VerifyReport"/>.</param>
    /// <param name="replicas">Where to look for healthy copies.</param>
    /// <param name="cancel">Gives up.</param>
    /// <param name="quarantine">Takes wrong objects that are about to be replaced; null deletes them.</param>
    /// <exception cref="VaultException">The store to repair failed. A failing replica is passed over.</exception>
    public static async Task<IReadOnlyList<RepairOutcome>> RepairAsync(
        IObjectStore store, IEnumerable<ObjectProblem> problems, IReadOnlyList<IObjectStore> replicas, CancellationToken cancel, IQuarantine? quarantine = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(problems);
        ArgumentNullException.ThrowIfNull(replicas);
        var outcomes = new List<RepairOutcome>();
        foreach (var problem in problems)
        {
            string? from = null;
            foreach (var replica in replicas)
            {
                if (!problem.IsRepairable || await FindHealthyAsync(replica, problem.Name, cancel).ConfigureAwait(false) is not { } content) continue;
                await ReplaceAsync(store, problem.Name, content, quarantine, cancel).ConfigureAwait(false);
                from = replica.Description;
                break;
            }

            var isRemoved = from is null && await RemoveNoteAsync(store, problem, cancel).ConfigureAwait(false);
            outcomes.Add(new RepairOutcome(problem, from) { IsRemoved = isRemoved });
        }

        return outcomes;
    }

    /// <summary>
    /// Repairs what a vault cannot be opened without: its config and its keyrings. Nothing is put into a place that shares no object with the
    /// replica: that would make a vault where none was.
    /// </summary>
    /// <param name="store">The store to repair.</param>
    /// <param name="replicas">Where to look for healthy copies.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="VaultException">The store to repair failed. A failing replica is passed over.</exception>
    public static async Task<IReadOnlyList<RepairOutcome>> RepairEntranceAsync(IObjectStore store, IReadOnlyList<IObjectStore> replicas, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(replicas);
        var outcomes = new List<RepairOutcome>();
        foreach (var kind in (ObjectKind[])[ObjectKind.Config, ObjectKind.Keys])
        {
            var listed = await StoreReading.ListAllAsync(store, kind, cancel).ConfigureAwait(false);
            var problems = new List<ObjectProblem>();
            foreach (var found in listed)
                if (await FindHealthyAsync(store, found.Name, cancel).ConfigureAwait(false) is null)
                    problems.Add(new ObjectProblem(found.Name, ObjectProblemKind.WrongHash, "Its bytes do not have the hash in its name."));
            if (listed.Count == 0) problems.AddRange(await FindLostAsync(store, replicas, kind, cancel).ConfigureAwait(false));
            outcomes.AddRange(await RepairAsync(store, problems, replicas, cancel).ConfigureAwait(false));
        }

        return outcomes;
    }

    /// <summary>All objects of a kind that the first replica of this very vault has.</summary>
    private static async Task<IEnumerable<ObjectProblem>> FindLostAsync(IObjectStore store, IReadOnlyList<IObjectStore> replicas, ObjectKind kind, CancellationToken cancel)
    {
        var own = new HashSet<ObjectName>();
        foreach (var shared in (ObjectKind[])[ObjectKind.Config, ObjectKind.Keys, ObjectKind.Snapshot, ObjectKind.ChunkMap])
            own.UnionWith((await StoreReading.ListAllAsync(store, shared, cancel).ConfigureAwait(false)).Select(o => o.Name));
        foreach (var replica in replicas)
        {
            try
            {
                var isSameVault = false;
                foreach (var shared in own.Select(o => o.Kind).Distinct())
                    isSameVault |= (await StoreReading.ListAllAsync(replica, shared, cancel).ConfigureAwait(false)).Exists(o => own.Contains(o.Name));
                var lost = isSameVault ? await StoreReading.ListAllAsync(replica, kind, cancel).ConfigureAwait(false) : [];
                if (lost.Count > 0) return lost.Select(o => new ObjectProblem(o.Name, ObjectProblemKind.Missing, "A replica has it; the store does not."));
            }
            catch (VaultException)
            {
                // This replica cannot help; the next one may.
                continue;
            }
        }

        return [];
    }

    /// <summary>
    /// Without a mark its pack waits a new grace period, and writers that began before see that the marks changed; without a ledger packs are
    /// verified sooner. Left as they are, damaged marks would stop every backup.
    /// </summary>
    private static async Task<bool> RemoveNoteAsync(IObjectStore store, ObjectProblem problem, CancellationToken cancel)
    {
        if (problem.Name.Kind is not (ObjectKind.PruneMarks or ObjectKind.Ledger) || problem.Kind is not (ObjectProblemKind.WrongHash or ObjectProblemKind.WrongContent or ObjectProblemKind.WrongLength)) return false;
        await store.DeleteAsync(problem.Name, cancel).ConfigureAwait(false);
        return true;
    }

    private static async Task<byte[]?> FindHealthyAsync(IObjectStore replica, ObjectName name, CancellationToken cancel)
    {
        try
        {
            var content = await replica.ReadAsync(name, cancel).ConfigureAwait(false);
            return name.Matches(content) ? content : null;
        }
        catch (VaultException)
        {
            // This replica cannot help; that nobody could is what the outcome reports.
            return null;
        }
    }

    /// <summary>
    /// The healthy copy is in memory before the damaged one goes: objects are immutable, so replacing is deleting and creating. A crash between
    /// leaves the object missing, which the next verify reports and the next repair mends: the replica still has it.
    /// </summary>
    private static async Task ReplaceAsync(IObjectStore store, ObjectName name, byte[] content, IQuarantine? quarantine, CancellationToken cancel)
    {
        if (quarantine is not null) await quarantine.QuarantineAsync(name, cancel).ConfigureAwait(false);
        await store.DeleteAsync(name, cancel).ConfigureAwait(false);
        await store.CreateAsync(name, content, cancel).ConfigureAwait(false);
        var back = await store.ReadAsync(name, cancel).ConfigureAwait(false);
        if (!name.Matches(back)) throw VaultException.Damaged(name.ToString(), "it was written anew and still reads back wrong: the medium is failing");
    }
}
