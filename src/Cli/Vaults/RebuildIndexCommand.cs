using System.CommandLine;
using Backup.Cli.Output;
using Backup.Vault.Indexing;

namespace Backup.Cli.Vaults;

/// <summary>What a rebuild found.</summary>
internal sealed record RebuildLine(long PacksIndexed, long ChunksIndexed, int IndexObjectsReplaced, IReadOnlyList<FindingLine> Findings);

/// <summary><c>vault rebuild-index</c>: makes the index anew from what packs say of themselves.</summary>
internal static class RebuildIndexCommand
{
    public static Command Create(CliContext context)
    {
        var vault = new VaultArguments();
        return context.Leaf("rebuild-index", "Make the index anew from the packs.", vault.All, async (invocation, cancel) =>
        {
            var opened = await vault.OpenAsync(invocation, cancel).ConfigureAwait(false);
            var report = await ProgressView.RunAsync(
                invocation.Terminal, "Rebuilding", invocation.IsQuiet, view => IndexRebuilder.RebuildAsync(opened, view.ForVault(), cancel)).ConfigureAwait(false);
            var findings = report.Problems.Select(p => new FindingLine(p.Name.ToString(), ErrorText.Kebab(p.Kind.ToString()), p.Detail)).ToList();
            if (invocation.IsJson)
            {
                invocation.Out.WriteJson(new RebuildLine(report.PacksIndexed, report.ChunksIndexed, report.IndexObjectsReplaced, findings), CliJson.Default.RebuildLine);
            }
            else
            {
                findings.ForEach(f => invocation.Out.WriteLine($"{f.Problem}: {f.What}: {f.Detail}"));
                invocation.Out.WriteLine($"Indexed {Figures.Count(report.ChunksIndexed, "chunk")} of {Figures.Count(report.PacksIndexed, "pack")}; replaced {Figures.Count(report.IndexObjectsReplaced, "index object")}.");
            }

            return findings.Count == 0 ? ExitCode.Success : ExitCode.Findings;
        });
    }
}
