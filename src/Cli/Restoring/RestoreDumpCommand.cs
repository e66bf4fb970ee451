using System.CommandLine;
using Backup.Cli.Backing;
using Backup.Cli.Output;
using Backup.Cli.Snapshots;
using Backup.Cli.Vaults;
using Backup.Sources.Postgres.Dumps;
using Backup.Vault.Snapshots;

namespace Backup.Cli.Restoring;

/// <summary>A dump's restore as machines read it; without <c>bytesRestored</c> it is what one would do.</summary>
internal sealed record DumpRestoreLine(
    string SnapshotId, string Asset, string Database, string Into, bool DryRun, bool Creates, string? Holds, int ServerVersion, string ProgramsVersion, long BytesTotal, long? BytesRestored,
    IReadOnlyList<string> GlobalsKept, IReadOnlyList<string> Errors, int ErrorsTotal);

/// <summary><c>restore-dump</c>: a database of a logical dump into a running server. Needs a restore key.</summary>
internal static class RestoreDumpCommand
{
    public static Command Create(CliContext context) => new Shape().Create(context);

    /// <summary>The command's options, which several of its steps read.</summary>
    private sealed class Shape
    {
        private readonly VaultArguments _vault = new();
        private readonly Option<string> _asset = ClusterOptions.Asset(", whose dumps are under NAME:dump");
        private readonly Option<string> _snapshot = new("--snapshot") { Description = "Which dump: 'latest', an id, or the beginning of one.", HelpName = "ID", DefaultValueFactory = _ => "latest" };
        private readonly Option<string> _connection = ClusterOptions.ConnectionFile(" of the server to restore into");
        private readonly Option<string> _database = new("--database") { Description = "The database in the dump; needed when there are several.", HelpName = "DATABASE" };
        private readonly Option<string> _into = new("--into") { Description = "The database to fill; one of the same name unless given.", HelpName = "DATABASE" };
        private readonly Option<bool> _create = new("--create") { Description = "Make that database when it is missing, with the encoding, locale and owner of the dumped one." };
        private readonly Option<bool> _overwrite = new("--overwrite") { Description = "The database may hold something: what the dump has too is dropped first, anything else stays." };
        private readonly Option<bool> _globals = new("--globals") { Description = "First make the dump's roles and tablespaces that the server lacks; those that are there stay as they are." };
        private readonly Option<bool> _keepGoing = new("--keep-going") { Description = "Leave out what fails, instead of undoing everything." };
        private readonly Option<bool> _noOwner = new("--no-owner") { Description = "Everything belongs to the role that restores." };
        private readonly Option<bool> _noPrivileges = new("--no-privileges") { Description = "Leave out what was granted." };
        private readonly Option<bool> _noTablespaces = new("--no-tablespaces") { Description = "Put everything into the database's own tablespace." };
        private readonly Option<string> _role = new("--role") { Description = "Restore as this role, which the connecting one may become.", HelpName = "ROLE" };
        private readonly Option<string> _programs = new("--postgres-bin") { Description = "The folder with pg_restore and psql, where packages do not put them.", HelpName = "DIR" };
        private readonly Option<bool> _dryRun = new("--dry-run", "-n") { Description = "Check everything and say what would be restored; change nothing." };

        internal Command Create(CliContext context) => context.Leaf(
            "restore-dump", "Restore a dumped database into a running server.",
            [.. _vault.All, _asset, _snapshot, _connection, _database, _into, _create, _overwrite, _globals, _keepGoing, _noOwner, _noPrivileges, _noTablespaces, _role, _programs, _dryRun], RunAsync);

        private async Task<ExitCode> RunAsync(Invocation invocation, CancellationToken cancel)
        {
            var request = new DumpRestoreRequest
            {
                ConnectionString = await ClusterOptions.ReadConnectionAsync(invocation, _connection, cancel).ConfigureAwait(false),
                Database = invocation.Get(_database),
                Into = invocation.Get(_into),
                Create = invocation.Get(_create),
                Overwrite = invocation.Get(_overwrite),
                Globals = invocation.Get(_globals),
                KeepGoing = invocation.Get(_keepGoing),
                NoOwner = invocation.Get(_noOwner),
                NoPrivileges = invocation.Get(_noPrivileges),
                NoTablespaces = invocation.Get(_noTablespaces),
                Role = invocation.Get(_role),
                Programs = invocation.Get(_programs),
            };
            var time = invocation.Terminal.Time;
            var vault = await _vault.OpenAsync(invocation, cancel).ConfigureAwait(false);
            var snapshot = await SnapshotArguments.FindAsync(vault, invocation.Require(_snapshot), PostgresDumpSource.AssetOf(invocation.Require(_asset)), cancel).ConfigureAwait(false);
            var plan = await DumpRestore.PlanAsync(vault, snapshot, request, cancel).ConfigureAwait(false);
            var started = time.GetTimestamp();
            DumpRestoreOutcome? outcome;
            try
            {
                outcome = invocation.Get(_dryRun) ? null : await ProgressView.RunAsync(
                    invocation.Terminal, "Restoring", invocation.IsQuiet, view => new DumpRestore(time).RunAsync(vault, snapshot, request, plan, view.ForTransfer(), cancel)).ConfigureAwait(false);
            }
            catch (OperationCanceledException stopped) when (stopped.InnerException is OperationCanceledException)
            {
                // What is left behind; that it was interrupted is said anyway.
                invocation.Note(stopped.Message);
                throw;
            }

            if (invocation.IsJson)
            {
                invocation.Out.WriteJson(Line(snapshot, plan, outcome), CliJson.Default.DumpRestoreLine);
            }
            else
            {
                Tell(invocation, snapshot, plan, outcome, time.GetElapsedTime(started));
            }

            return outcome is { ErrorsTotal: > 0 } ? ExitCode.Partial : ExitCode.Success;
        }

        private static DumpRestoreLine Line(SnapshotInfo snapshot, DumpRestorePlan plan, DumpRestoreOutcome? outcome) => new(
            snapshot.Id.ToString(), snapshot.Asset, plan.Database, plan.Into, outcome is null, plan.IsMissing, plan.Holds, plan.ServerVersion, plan.ProgramsVersion, plan.BytesTotal,
            outcome?.BytesRestored, outcome?.GlobalsKept ?? [], outcome?.Errors ?? [], outcome?.ErrorsTotal ?? 0);

        private static void Tell(Invocation invocation, SnapshotInfo snapshot, DumpRestorePlan plan, DumpRestoreOutcome? outcome, TimeSpan took)
        {
            var output = invocation.Out;
            var what = $"database \"{plan.Database}\" of {snapshot.Id.ToString()[..SnapshotsCommand.IdDigitsShown]} of '{snapshot.Asset}', dumped {Figures.Instant(snapshot.ConsistentAt)},";
            if (outcome is null)
            {
                output.WriteLine($"Would restore {what} into \"{plan.Into}\" on PostgreSQL {plan.ServerVersion / 10000}: {Figures.Bytes(plan.BytesTotal)}, by pg_restore {plan.ProgramsVersion}.");
                output.WriteLine(plan.IsMissing ? "  the database is missing and would be made" : plan.Holds is { } holds ? $"  the database holds {holds}" : "  the database is there and empty");
                return;
            }

            foreach (var error in outcome.Errors)
            {
                invocation.Note(error);
            }

            if (outcome.GlobalsKept.Count > 0)
            {
                output.WriteLine($"There already, and left as they are: {string.Join(", ", outcome.GlobalsKept)}.");
            }

            output.WriteLine($"Restored {what} into \"{plan.Into}\"{(plan.IsMissing ? ", which was made" : "")}: {Figures.Bytes(outcome.BytesRestored)} in {Figures.Duration(took)}.");
            output.WriteLine(outcome.ErrorsTotal > 0
                ? $"Not complete: {Figures.Count(outcome.ErrorsTotal, "error")}, and what is named there is missing."
                : "A dump has no statistics: have the database analyzed (ANALYZE) before it works for others.");
        }
    }
}
