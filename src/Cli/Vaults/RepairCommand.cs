using System.CommandLine;
using Backup.Cli.Output;
using Backup.Vault.Verifying;

namespace Backup.Cli.Vaults;

/// <summary>What became of one damaged object.</summary>
internal sealed record RepairLine(string What, string Problem, string? RepairedFrom);

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
            var report = await VerifyCommand.VerifyAsync(invocation, vault, new VerifyRequest { Depth = depth.Of(invocation) }, cancel).ConfigureAwait(false);
            var outcomes = await Repairer.RepairAsync(vault.OpenStore(invocation), report.Problems, stores, cancel).ConfigureAwait(false);
            Tell(invocation, outcomes);
            return outcomes.Any(o => o.RepairedFrom is null) ? ExitCode.Findings : ExitCode.Success;
        });
    }

    private static void Tell(Invocation invocation, IReadOnlyList<RepairOutcome> outcomes)
    {
        foreach (var (problem, from) in outcomes)
        {
            if (invocation.IsJson)
            {
                invocation.Out.WriteJson(new RepairLine(problem.Name.ToString(), ErrorText.Kebab(problem.Kind.ToString()), from), CliJson.Default.RepairLine);
            }
            else
            {
                invocation.Out.WriteLine(from is null ? $"NOT repaired: {problem.Name}: {problem.Detail}" : $"repaired: {problem.Name} from {from}");
            }
        }

        if (!invocation.IsJson)
        {
            invocation.Out.WriteLine(outcomes.Count == 0
                ? "Nothing to repair."
                : $"{outcomes.Count(o => o.RepairedFrom is not null)} of {outcomes.Count} objects repaired.");
        }
    }
}
