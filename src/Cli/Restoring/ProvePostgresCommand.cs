using System.CommandLine;
using Backup.Cli.Snapshots;
using Backup.Sources.Postgres;
using Backup.Sources.Postgres.Proving;

namespace Backup.Cli.Restoring;

/// <summary><c>prove-postgres</c>: starts a restored data directory in isolation and checks it. Needs a restore key.</summary>
internal static class ProvePostgresCommand
{
    public static Command Create(CliContext context)
    {
        var arguments = new SnapshotArguments();
        var proof = new ProofArguments();
        var target = new Option<string>("--target") { Description = "The restored data directory, stopped. It is recovered and shut down again.", HelpName = "DIR", Required = true };
        var timeline = new Option<uint?>("--log") { Description = "Log of this timeline is fetched from the vault, as restore-postgres without --immediate sets it up.", HelpName = "TIMELINE" };
        return context.Leaf("prove-postgres", "Start a restored cluster in isolation and check it.", [.. arguments.All, target, timeline, .. proof.All], async (invocation, cancel) =>
        {
            var vault = await arguments.Vault.OpenAsync(invocation, cancel).ConfigureAwait(false);
            var directory = Path.GetFullPath(invocation.Require(target));
            var asset = invocation.Get(arguments.Asset);
            var snapshot = invocation.IsGiven(arguments.Snapshot) ? null : PostgresProof.FindBaseBackup(directory, asset, await vault.ListSnapshotsAsync(cancel).ConfigureAwait(false));
            snapshot ??= await SnapshotArguments.FindAsync(vault, invocation.Require(arguments.Snapshot), asset, cancel).ConfigureAwait(false);
            return snapshot.SourceKind == PostgresSource.Kind
                ? await proof.RunAsync(invocation, vault, snapshot.Id, directory, invocation.Get(timeline), cancel).ConfigureAwait(false)
                : throw new CliException(CliFault.OptionInvalid, $"Snapshot {snapshot.Id} is no base backup.", "Name the base backup that was restored with --snapshot, or its asset with --asset.");
        });
    }
}
