using Backup.Vault.Storage;

namespace Backup.Vault.Verifying;

/// <summary>What became of one damaged object.</summary>
/// <param name="Problem">What was wrong.</param>
/// <param name="RepairedFrom">The replica that had a healthy copy, or null when none had.</param>
public sealed record RepairOutcome(ObjectProblem Problem, string? RepairedFrom);

/// <summary>Puts healthy copies from replicas in the place of damaged or missing objects. Needs no key: names vouch for bytes.</summary>
public static class Repairer
{
    /// <summary>Repairs what a verification found. The order of the replicas is the order in which they are asked.</summary>
    /// <param name="store">The store to repair; its credential must be able to delete.</param>
    /// <param name="problems">From a <see cref="VerifyReport"/>.</param>
    /// <param name="replicas">Where to look for healthy copies.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="VaultException">The store to repair failed. A failing replica is passed over.</exception>
    public static async Task<IReadOnlyList<RepairOutcome>> RepairAsync(IObjectStore store, IEnumerable<ObjectProblem> problems, IReadOnlyList<IObjectStore> replicas, CancellationToken cancel)
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
                await ReplaceAsync(store, problem.Name, content, cancel).ConfigureAwait(false);
                from = replica.Description;
                break;
            }

            outcomes.Add(new RepairOutcome(problem, from));
        }

        return outcomes;
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
    private static async Task ReplaceAsync(IObjectStore store, ObjectName name, byte[] content, CancellationToken cancel)
    {
        await store.DeleteAsync(name, cancel).ConfigureAwait(false);
        await store.CreateAsync(name, content, cancel).ConfigureAwait(false);
        var back = await store.ReadAsync(name, cancel).ConfigureAwait(false);
        if (!name.Matches(back)) throw VaultException.Damaged(name.ToString(), "it was written anew and still reads back wrong: the medium is failing");
    }
}
