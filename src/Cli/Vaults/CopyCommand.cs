using System.CommandLine;
using Backup.Cli.Output;
using Backup.Vault.Replicating;

namespace Backup.Cli.Vaults;

/// <summary>What a copy did.</summary>
internal sealed record CopyLine(string VaultId, long ObjectsTotal, long ObjectsCopied, long BytesCopied, IReadOnlyList<string> Skipped);

/// <summary><c>vault copy</c>: copies what another store lacks, byte for byte. Needs no key.</summary>
internal static class CopyCommand
{
    public static Command Create(CliContext context)
    {
        var vault = new VaultArguments();
        var to = new Option<string>("--to") { Description = "The other store: empty, or an older copy of this vault.", HelpName = "DIR|URL", Required = true };
        var target = new StoreArguments("--to-credential-file");
        var stale = new Option<bool>("--remove-stale-keyrings") { Description = "Also remove keyrings there that this vault no longer has. Needs a credential that may delete." };

        // Accepted so that every 'vault' command takes the same options; a copy reads no key.
        var unread = new Option<string>("--key-file") { Hidden = true };
        return context.Leaf(
            "copy", "Copy the vault to another store, or bring a copy up to date. Needs no key.", [vault.Vault, .. vault.Store.All, to, .. target.All, stale, unread],
            async (invocation, cancel) =>
            {
                var (from, store) = (vault.OpenStore(invocation), target.Open(invocation, invocation.Require(to)));
                if (from.Description == store.Description)
                {
                    throw new CliException(CliFault.OptionInvalid, $"{store.Description} is the vault itself, and no copy of it.", "Give --to another folder or container, on another disk or in another place.");
                }

                await StoreArguments.PrepareAsync(store, cancel).ConfigureAwait(false);
                var request = new CopyRequest { RemoveStaleKeyrings = invocation.Get(stale) };
                var report = await ProgressView.RunAsync(
                    invocation.Terminal, "Copying", invocation.IsQuiet,
                    view => Replicator.CopyAsync(from, store, request, view.ForVault(), cancel)).ConfigureAwait(false);
                Tell(invocation, report, store.Description);
                return report.IsComplete ? ExitCode.Success : ExitCode.Findings;
            });
    }

    private static void Tell(Invocation invocation, CopyReport report, string place)
    {
        if (invocation.IsJson)
        {
            invocation.Out.WriteJson(
                new CopyLine(report.Vault.ToString(), report.Inventory.Count, report.Copied.Count, report.BytesCopied, [.. report.Skipped.Select(n => n.ToString())]), CliJson.Default.CopyLine);
            return;
        }

        foreach (var name in report.Skipped)
        {
            invocation.Out.WriteLine($"damaged, not copied: {name}");
        }

        invocation.Out.WriteLine($"Copied {Figures.Count(report.Copied.Count, "object")} ({Figures.Bytes(report.BytesCopied)}) to {place}, which now holds {Figures.Count(report.Inventory.Count)}.");
    }
}
