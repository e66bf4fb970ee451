using System.CommandLine;
using Backup.Cli.Output;
using Backup.Cli.Snapshots;
using Backup.Vault;
using Backup.Vault.Pruning;

namespace Backup.Cli.Vaults;

/// <summary>A prune: the plan, and what was done of it.</summary>
internal sealed record PruneLine(
    bool DryRun, IReadOnlyList<string> Dropped, int SnapshotsKept, int PacksKept, int PacksRepacked, int PacksMarked, int PacksWaiting, int PacksDeleted, int PacksUnmarked,
    long BytesFreedNow, long BytesFreedLater, long BytesRepacked, long? BytesFreed);

/// <summary><c>vault prune</c>: drops snapshots and frees what no snapshot needs. Shows its plan first; nothing is deleted before its grace period.</summary>
internal static class PruneCommand
{
    private const double GraceDaysMax = 3660;

    public static Command Create(CliContext context)
    {
        var vault = new VaultArguments();
        var drop = new Option<string[]>("--drop") { Description = "A snapshot to drop: an id or the beginning of one.", HelpName = "ID" };
        var grace = new Option<double>("--grace-days")
        {
            Description = "How long unneeded packs stay marked before they are deleted.",
            HelpName = "DAYS",
            DefaultValueFactory = _ => PruneSafety.GraceDefault.TotalDays,
        };
        var noWriters = new Option<bool>("--no-writer-is-running") { Description = "You vouch that nothing backs up to this vault now: permits a short grace period." };
        var waste = new Option<double>("--max-waste") { Description = "Repack packs with more than this share of dead bytes, 0 to 1.", HelpName = "SHARE", DefaultValueFactory = _ => new PruneRequest().WasteShareMax };
        var dryRun = new Option<bool>("--dry-run", "-n") { Description = "Only show the plan." };
        return context.Leaf("prune", "Drop snapshots and free what none needs.", [.. vault.All, drop, grace, noWriters, waste, dryRun], async (invocation, cancel) =>
        {
            var opened = await vault.OpenAsync(invocation, cancel).ConfigureAwait(false);
            var dropped = new List<SnapshotId>();
            foreach (var text in invocation.Get(drop) ?? [])
            {
                dropped.Add((await SnapshotArguments.FindAsync(opened, text, null, cancel).ConfigureAwait(false)).Id);
            }

            var plan = await PlanAsync(opened, dropped, invocation.Within(grace, 0, GraceDaysMax), invocation.Get(noWriters), invocation.Within(waste, 0, 1), cancel).ConfigureAwait(false);
            return await RunAsync(invocation, opened, plan, invocation.Get(dryRun), cancel).ConfigureAwait(false);
        });
    }

    private static async Task<PrunePlan> PlanAsync(OpenVault vault, List<SnapshotId> dropped, double graceDays, bool noWriters, double waste, CancellationToken cancel)
    {
        try
        {
            var request = new PruneRequest { Drop = dropped, Grace = TimeSpan.FromDays(graceDays), NoWriterIsRunning = noWriters, WasteShareMax = waste };
            return await Pruner.PlanAsync(vault, request, cancel).ConfigureAwait(false);
        }
        catch (ArgumentException e)
        {
            throw new CliException(CliFault.OptionInvalid, ErrorText.WithoutParameter(e), "See 'backupctl vault prune --help'.", e);
        }
    }

    private static async Task<ExitCode> RunAsync(Invocation invocation, OpenVault vault, PrunePlan plan, bool isDryRun, CancellationToken cancel)
    {
        if (!invocation.IsJson)
        {
            Show(invocation, plan);
        }

        PruneResult? result = isDryRun
            ? null
            : await ProgressView.RunAsync(invocation.Terminal, "Pruning", invocation.IsQuiet, view => Pruner.ExecuteAsync(vault, plan, view.ForVault(), cancel)).ConfigureAwait(false);
        if (invocation.IsJson)
        {
            invocation.Out.WriteJson(
                new PruneLine(
                    isDryRun, [.. plan.Dropped.Select(s => s.Id.ToString())], plan.Kept.Count, plan.CountOf(PackFate.Keep), plan.CountOf(PackFate.Repack), plan.CountOf(PackFate.Mark),
                    plan.CountOf(PackFate.Wait), plan.CountOf(PackFate.Delete), plan.CountOf(PackFate.Unmark), plan.BytesFreedNow, plan.BytesFreedLater, plan.BytesRepacked,
                    result?.BytesFreed),
                CliJson.Default.PruneLine);
        }
        else
        {
            invocation.Out.WriteLine(result is { } done
                ? $"Done: dropped {Figures.Count(done.SnapshotsDropped, "snapshot")}; of packs, {Figures.Count(done.PacksRepacked)} repacked, {Figures.Count(done.PacksMarked)} marked and {Figures.Count(done.PacksDeleted)} deleted; freed {Figures.Bytes(done.BytesFreed)}."
                : "Dry run: nothing was changed.");
        }

        return ExitCode.Success;
    }

    private static void Show(Invocation invocation, PrunePlan plan)
    {
        invocation.Out.WriteLine("Plan:");
        foreach (var snapshot in plan.Dropped)
        {
            invocation.Out.WriteLine($"  drop snapshot {snapshot.Id.ToString()[..SnapshotsCommand.IdDigitsShown]} of '{EntryText.Printable(snapshot.Asset)}', {Figures.Instant(snapshot.ConsistentAt)}");
        }

        var table = new TextTable("  FATE", "PACKS", "BYTES").Right(1, 2);
        foreach (var fates in plan.Decisions.GroupBy(d => d.Fate).OrderBy(g => g.Key))
        {
            table.Add($"  {ErrorText.Kebab(fates.Key.ToString())}", Figures.Count(fates.Count()), Figures.Bytes(fates.Sum(d => d.StoredBytes)));
        }

        table.WriteTo(invocation.Out);
        invocation.Out.WriteLine($"  keeps {Figures.Count(plan.Kept.Count, "snapshot")}; frees {Figures.Bytes(plan.BytesFreedNow)} now and {Figures.Bytes(plan.BytesFreedLater)} after the grace period.");
    }
}
