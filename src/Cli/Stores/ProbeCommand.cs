using System.CommandLine;
using Backup.Cli.Output;
using Backup.Cli.Vaults;
using Backup.Vault;
using Backup.Vault.Storage;

namespace Backup.Cli.Stores;

/// <summary>One check of a store.</summary>
internal sealed record ProbeLine(string Check, bool Passed, string? Failure);

/// <summary><c>store probe</c>: runs the checks every store must pass against a real one.</summary>
internal static class ProbeCommand
{
    public static Command Create(CliContext context)
    {
        var place = new Argument<string>("store") { Description = "A folder, or the URL of a blob container.", HelpName = "DIR|URL" };
        var arguments = new StoreArguments();
        return CliContext.Group("store", "Stores that hold vaults.", context.Leaf(
            "probe", "Check that a store keeps the contract vaults rely on. Writes small objects and removes them.", [place, .. arguments.All],
            (invocation, cancel) => RunAsync(invocation, arguments.Open(invocation, invocation.Require(place)), cancel)));
    }

    private static async Task<ExitCode> RunAsync(Invocation invocation, IObjectStore store, CancellationToken cancel)
    {
        // A store that cannot be reached at all is no finding about its contract.
        await ReachAsync(store, cancel).ConfigureAwait(false);
        var failures = 0;
        foreach (var check in StoreProbe.CheckNames)
        {
            var result = await StoreProbe.RunOneAsync(store, check, cancel).ConfigureAwait(false);
            failures += result.Passed ? 0 : 1;
            if (invocation.IsJson)
            {
                invocation.Out.WriteJson(new ProbeLine(check, result.Passed, result.Failure), CliJson.Default.ProbeLine);
            }
            else
            {
                invocation.Out.WriteLine(result.Passed ? $"pass  {check}" : $"FAIL  {check}: {result.Failure}");
            }
        }

        if (!invocation.IsJson)
        {
            invocation.Out.WriteLine(failures == 0
                ? $"{store.Description} keeps the contract ({StoreProbe.CheckNames.Count} checks)."
                : $"{store.Description} fails {failures} of {StoreProbe.CheckNames.Count} checks: do not put a vault there.");
        }

        return failures == 0 ? ExitCode.Success : ExitCode.Findings;
    }

    private static async Task ReachAsync(IObjectStore store, CancellationToken cancel)
    {
        try
        {
            await foreach (var _ in store.ListAsync(ObjectKind.Probe, cancel).ConfigureAwait(false))
            {
                break;
            }
        }
        catch (VaultException e) when (e.Fault == VaultFault.AccessDenied)
        {
            // A finding: the checks say what exactly is refused.
        }
    }
}
