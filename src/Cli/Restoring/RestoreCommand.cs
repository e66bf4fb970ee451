using System.CommandLine;
using Backup.Cli.Output;
using Backup.Cli.Snapshots;
using Backup.Sources;
using Backup.Sources.Files;
using Backup.Sources.Postgres;
using Backup.Vault;
using Backup.Vault.Snapshots;

namespace Backup.Cli.Restoring;

/// <summary>A finished restore as machines read it.</summary>
internal sealed record RestoreLine(
    string SnapshotId, string Asset, string Target, bool DryRun, long FilesRestored, long FilesUnchanged, long BytesRestored, long BytesWritten, long BytesVerified,
    long BytesFetched, long ItemsFailed, IReadOnlyList<ProblemLine> Problems);

/// <summary><c>restore</c>: brings a snapshot back. Needs a restore key.</summary>
internal static class RestoreCommand
{
    public static Command Create(CliContext context)
    {
        var snapshot = new SnapshotArguments();
        var target = new Option<string>("--target") { Description = "Where to; made when missing. Files land below it under their full paths, and '/' restores in place; of a database cluster it becomes the data directory.", HelpName = "DIR", Required = true };
        var include = new Option<string[]>("--include", "-i") { Description = "Only what fits, as in gitignore.", HelpName = "GLOB" };
        var subtree = new Option<string>("--subtree") { Description = "Only this folder of the snapshot, its content directly into the target.", HelpName = "PATH" };
        var overwrite = new Option<bool>("--overwrite") { Description = "The target may hold something: files that differ are brought to the snapshot's state, writing only what differs." };
        var dryRun = new Option<bool>("--dry-run", "-n") { Description = "Compare and count; fetch and write nothing." };
        var noSync = new Option<bool>("--no-sync") { Description = "Do not wait until everything is safe from a power loss." };
        return context.Leaf("restore", "Bring a snapshot back.", [.. snapshot.All, target, include, subtree, overwrite, dryRun, noSync], async (invocation, cancel) =>
        {
            var request = new FilesRestoreRequest
            {
                Target = Path.GetFullPath(invocation.Require(target)),
                Include = invocation.Get(include) ?? [],
                Subtree = invocation.Get(subtree),
                Overwrite = invocation.Get(overwrite),
                DryRun = invocation.Get(dryRun),
                Sync = !invocation.Get(noSync),
            };
            var vault = await snapshot.Vault.OpenAsync(invocation, cancel).ConfigureAwait(false);
            var found = await SnapshotArguments.FindAsync(vault, invocation.Require(snapshot.Snapshot), invocation.Get(snapshot.Asset), cancel).ConfigureAwait(false);
            return await RunAsync(invocation, vault, found, request, cancel).ConfigureAwait(false);
        });
    }

    private static async Task<ExitCode> RunAsync(Invocation invocation, OpenVault vault, SnapshotInfo snapshot, FilesRestoreRequest request, CancellationToken cancel)
    {
        var time = invocation.Terminal.Time;
        var started = time.GetTimestamp();
        var outcome = await ProgressView.RunAsync(
            invocation.Terminal, "Restoring", invocation.IsQuiet,
            view => RestoreAsync(vault, snapshot, request, time, view.ForTransfer(), cancel)).ConfigureAwait(false);
        // A pattern with a typing error must not look like a restore.
        if (outcome.ItemsMatched == 0 && request.Include.Count > 0)
        {
            throw new CliException(
                CliFault.SnapshotMissing, $"Nothing in the snapshot fits {string.Join(" or ", request.Include.Select(pattern => $"'{pattern}'"))}.",
                "'backupctl find' shows where things are; patterns are written as in .gitignore.");
        }

        if (invocation.IsJson)
        {
            invocation.Out.WriteJson(
                new RestoreLine(
                    snapshot.Id.ToString(), snapshot.Asset, outcome.Target, request.DryRun, outcome.FilesRestored, outcome.FilesUnchanged, outcome.BytesRestored, outcome.BytesWritten,
                    outcome.BytesVerified, outcome.BytesFetched, outcome.ItemsFailed, ProblemText.Lines(outcome.Problems)),
                CliJson.Default.RestoreLine);
        }
        else
        {
            Tell(invocation, snapshot, outcome, request.DryRun, time.GetElapsedTime(started));
        }

        return outcome.IsComplete ? ExitCode.Success : ExitCode.Partial;
    }

    private static Task<RestoreOutcome> RestoreAsync(
        OpenVault vault, SnapshotInfo snapshot, FilesRestoreRequest request, TimeProvider time, IProgress<TransferProgress>? progress, CancellationToken cancel)
    {
        if (snapshot.SourceKind != PostgresSource.Kind)
        {
            return new FilesRestore(time).RestoreAsync(vault, snapshot.Id, request, progress, cancel);
        }

        // A database cluster is restored whole or not at all.
        if (request.Include.Count > 0 || request.Subtree is not null || request.DryRun || request.Overwrite || !request.Sync)
        {
            throw new CliException(CliFault.OptionInvalid, "A database cluster is restored whole, to an empty folder.", "Leave out --include, --subtree, --overwrite, --no-sync and --dry-run.");
        }

        var cluster = new PostgresRestoreRequest { Target = request.Target };
        return new PostgresRestore(time).RestoreAsync(vault, snapshot.Id, cluster, progress, cancel);
    }

    private static void Tell(Invocation invocation, SnapshotInfo snapshot, RestoreOutcome outcome, bool isDryRun, TimeSpan took)
    {
        ProblemText.Write(invocation, outcome.Problems);
        var id = snapshot.Id.ToString()[..SnapshotsCommand.IdDigitsShown];
        invocation.Out.WriteLine(isDryRun
            ? $"Would restore {id} of '{EntryText.Printable(snapshot.Asset)}' to {outcome.Target}: {Figures.Count(outcome.FilesRestored, "file")}, {Figures.Bytes(outcome.BytesRestored)};"
                + $" {Figures.Count(outcome.FilesUnchanged)} are right already, {Figures.Bytes(outcome.BytesWritten)} to write, {Figures.Bytes(outcome.BytesFetched)} to fetch from the vault."
            : $"Restored {id} of '{EntryText.Printable(snapshot.Asset)}' to {outcome.Target}: {Figures.Count(outcome.FilesRestored, "file")}, {Figures.Bytes(outcome.BytesRestored)};"
                + $" fetched {Figures.Bytes(outcome.BytesFetched)}, wrote {Figures.Bytes(outcome.BytesWritten)}, verified {Figures.Bytes(outcome.BytesVerified)} in {Figures.Duration(took)}.");
        if (!outcome.IsComplete)
        {
            invocation.Out.WriteLine($"Not complete: {Figures.Count(outcome.ItemsFailed, "item")} failed.");
        }
    }
}
