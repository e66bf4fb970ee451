using System.CommandLine;
using Backup.Cli.Output;

namespace Backup.Cli.ControlPlane;

/// <summary><c>locks</c>: how far the locks and legal holds of replicas reach. They are set by the control plane, as the policy says; nobody sets one by hand.</summary>
internal static class LocksCommand
{
    public static Command Create(CliContext context)
    {
        var api = new ApiArguments();
        return context.Leaf("locks", "Show how much of each immutable replica is locked, until when, and what is under legal hold.", api.All, async (invocation, cancel) =>
        {
            using var client = api.Open(invocation);
            var found = await client.GetAsync("immutability", CliJson.Default.ImmutabilityLine, cancel).ConfigureAwait(false);
            if (invocation.IsJson)
            {
                invocation.Out.WriteJson(found, CliJson.Default.ImmutabilityLine);
            }
            else
            {
                var table = new TextTable("TIER", "VAULT", "KEPT BY", "OBJECTS", "COVERED", "LEGAL HOLD", "FIRST ENDS", "LOOKED AT").Right(3, 4, 5);
                foreach (var replica in found.Replicas)
                {
                    table.Add(
                        replica.Tier, replica.VaultId, replica.Kind, Figures.Count(replica.Objects), Figures.Count(replica.Covered), Figures.Count(replica.UnderLegalHold),
                        replica.EarliestEnd is { } end ? Figures.Instant(end) : "-", Figures.Instant(replica.At));
                }

                table.WriteTo(invocation.Out);
                foreach (var replica in found.Replicas.Where(r => r.Note.Length > 0))
                {
                    invocation.Out.WriteLine($"{replica.Tier}: {replica.Note}");
                }
            }

            // A script may watch it: what is to be immutable and is not, is a finding.
            return found.Replicas.All(r => r.IsComplete) ? ExitCode.Success : ExitCode.Findings;
        });
    }
}
