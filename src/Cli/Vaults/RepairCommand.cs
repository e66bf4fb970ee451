using System.CommandLine;
using Backup.Cli.Output;
using Backup.Vault.Verifying;

namespace Backup.Cli.Vaults;

/// <summary>What became of one damaged object.</summary>
internal sealed record RepairLine(string What, string Problem, string? RepairedFrom, bool Removed);

/// <summary><c>vault repair</c>: puts healthy copies from replicas in the place of damaged objects.</summary>
internal static class RepairCommand
{
    public static Command Create(CliContext context)
    {
        var vault = new VaultArguments();
        var from = new Option<string[]>("--from") { Description = "A replica, or another copy of the vault; several are asked in this order.", HelpName = "DIR|URL", Required = true };
        var replicas = new StoreArguments("--from-credential-file");
        var depth = new DepthOption();
        return context.Leaf("repair", "Repair damaged or missing objects from a replica.", [.. vault.All, from, .. replicas.All, depth.Option], async (invocation, cancel) =>
        {
            var stores = invocation.Require(from).Select(place => replicas.Open(invocation, place)).ToList();
            var store = vault.OpenStore(invocation);

            // A vault whose config or keyring is damaged cannot be opened to be verified.
            var outcomes = (await Repairer.RepairEntranceAsync(store, stores, cancel).ConfigureAwait(false)).ToList();
            var report = await VerifyCommand.VerifyAsync(invocation, vault, new VerifyRequest { Depth = depth.Of(invocation) }, cancel).ConfigureAwait(false);
            outcomes.AddRange(await Repairer.RepairAsync(store, report.Problems.Where(p => outcomes.TrueForAll(o => o.Problem.Name != p.Name)), stores, cancel).ConfigureAwait(false));
            Tell(invocation, outcomes);
            if (outcomes.Count == 0 && report.MissingPieces.Count > 0)
            {
                invocation.Note($"{Figures.Count(report.MissingPieces.Count, "needed piece")} in no index. Run: backupctl vault rebuild-index; if they stay missing: backupctl vault copy from a replica");
                return ExitCode.Findings;
            }

            return outcomes.TrueForAll(o => o.IsMended) ? ExitCode.Success : ExitCode.Findings;
        });
    }

    private static void Tell(Invocation invocation, List<RepairOutcome> outcomes)
    {
        foreach (var outcome in outcomes)
        {
            var (problem, from) = outcome;
            if (invocation.IsJson)
            {
                invocation.Out.WriteJson(new RepairLine(problem.Name.ToString(), ErrorText.Kebab(problem.Kind.ToString()), from, outcome.IsRemoved), CliJson.Default.RepairLine);
            }
            else
            {
                invocation.Out.WriteLine(
                    from is not null ? $"repaired: {problem.Name} from {from}"
                    : outcome.IsRemoved ? $"removed: {problem.Name}: damaged, and the vault is whole without it"
                    : $"NOT repaired: {problem.Name}: {problem.Detail}");
            }
        }

        if (!invocation.IsJson)
        {
            invocation.Out.WriteLine(outcomes.Count == 0
                ? "Nothing to repair."
                : $"{Figures.Count(outcomes.Count(o => o.IsMended))} of {Figures.Count(outcomes.Count, "object")} repaired.");
        }
    }
}
