using System.CommandLine;
using System.Globalization;
using Backup.Cli.Output;
using Backup.Vault;
using Backup.Vault.Verifying;

namespace Backup.Cli.Vaults;

/// <summary>One thing a check found wrong.</summary>
internal sealed record FindingLine(string What, string Problem, string Detail);

/// <summary>A verification's outcome.</summary>
internal sealed record VerifyLine(
    string Depth, bool IsSound, long ObjectsChecked, long ObjectsRead, long BytesRead, long PacksTotal, long PacksRead, DateTimeOffset? OldestVerification,
    int UnindexedPacks, IReadOnlyList<FindingLine> Findings);

/// <summary><c>vault verify</c>: is everything there and what it must be?</summary>
internal static class VerifyCommand
{
    public static Command Create(CliContext context)
    {
        var vault = new VaultArguments();
        var depth = new DepthOption();
        var sample = new Option<double>("--sample")
        {
            Description = "Percent of the packs to read, those unverified longest first, so that repeated runs cover everything.",
            HelpName = "PERCENT",
            DefaultValueFactory = _ => 100,
        };
        var noLedger = new Option<bool>("--no-ledger") { Description = "Do not note in the vault what was verified; needed with a credential that may only read." };
        return context.Leaf("verify", "Check that the vault is sound.", [.. vault.All, depth.Option, sample, noLedger], async (invocation, cancel) =>
        {
            var request = new VerifyRequest { Depth = depth.Of(invocation), SamplePercent = invocation.Require(sample), WriteLedger = !invocation.Get(noLedger) };
            if (request.SamplePercent is not (> 0 and <= 100))
            {
                throw new CliException(CliFault.OptionInvalid, "--sample is a percentage above 0 and up to 100.", "For a tenth, write --sample 10.");
            }

            var report = await VerifyAsync(invocation, vault, request, cancel).ConfigureAwait(false);
            Tell(invocation, report, request.SamplePercent);
            return report.IsSound ? ExitCode.Success : ExitCode.Findings;
        });
    }

    /// <summary>Verifies with the key that is named, or by hashes alone when none is.</summary>
    public static async Task<VerifyReport> VerifyAsync(Invocation invocation, VaultArguments vault, VerifyRequest request, CancellationToken cancel)
    {
        var store = vault.OpenStore(invocation);
        var time = invocation.Terminal.Time;
        var opened = request.Depth == VerifyDepth.Hashes && !vault.NamesKey(invocation)
            ? null
            : await OpenVault.OpenAsync(store, vault.LoadKey(invocation), time, cancel).ConfigureAwait(false);
        return await ProgressView.RunAsync(invocation.Terminal, "Verifying", invocation.IsQuiet, view => opened is null
            ? Verifier.VerifyWithoutKeyAsync(store, request, time, view.ForVault(), cancel)
            : Verifier.VerifyAsync(opened, request, view.ForVault(), cancel)).ConfigureAwait(false);
    }

    public static IReadOnlyList<FindingLine> Findings(VerifyReport report) =>
    [
        .. report.Problems.Select(p => new FindingLine(p.Name.ToString(), ErrorText.Kebab(p.Kind.ToString()), p.Detail)),
        .. report.MissingPieces.Select(m => new FindingLine($"snapshot {m.Snapshot.ToString()[..Snapshots.SnapshotsCommand.IdDigitsShown]} {m.Path}", "missing", m.Problem)),
    ];

    private static void Tell(Invocation invocation, VerifyReport report, double samplePercent)
    {
        var findings = Findings(report);
        if (invocation.IsJson)
        {
            invocation.Out.WriteJson(
                new VerifyLine(
                    ErrorText.Kebab(report.Depth.ToString()), report.IsSound, report.ObjectsChecked, report.ObjectsRead, report.BytesRead, report.PacksTotal, report.PacksRead,
                    report.OldestVerification, report.UnindexedPacks.Count, findings),
                CliJson.Default.VerifyLine);
            return;
        }

        foreach (var finding in findings)
        {
            invocation.Out.WriteLine($"{finding.Problem}: {finding.What}: {finding.Detail}");
        }

        var coverage = report.OldestVerification is { } since ? $" Every pack was verified since {Figures.Instant(since)}." : "";
        invocation.Out.WriteLine(
            $"{(report.IsSound ? "Sound" : Figures.Count(findings.Count, "problem"))}: checked {Figures.Count(report.ObjectsChecked, "object")},"
            + $" read {Figures.Count(report.PacksRead)} of {Figures.Count(report.PacksTotal, "pack")} ({Figures.Bytes(report.BytesRead)}).{coverage}");
        if (samplePercent < 100 && report.Depth != VerifyDepth.Listing)
        {
            invocation.Out.WriteLine($"Run daily with --sample {samplePercent.ToString(CultureInfo.InvariantCulture)}, this reads every pack within {Math.Ceiling(100 / samplePercent):0} days.");
        }

        if (!report.IsSound)
        {
            invocation.Note("Hint: 'backupctl vault repair --from REPLICA' puts healthy copies in place.");
        }
    }
}
