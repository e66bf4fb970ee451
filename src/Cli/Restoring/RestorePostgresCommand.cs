using System.CommandLine;
using System.Globalization;
using Backup.Cli.Backing;
using Backup.Cli.Log;
using Backup.Cli.Output;
using Backup.Cli.Snapshots;
using Backup.Cli.Vaults;
using Backup.Sources.Postgres;
using Backup.Sources.Postgres.Recovery;

namespace Backup.Cli.Restoring;

/// <summary>A restore to a point in time as machines read it.</summary>
internal sealed record RecoveryLine(
    string BaseBackup, DateTimeOffset BaseBackupAt, string Target, string Goal, bool DryRun, int MajorVersion, uint Timeline, string ReplayFrom, string ReplayTo, long BaseBackupBytes,
    long WalFiles, long WalBytes, string? Note, IReadOnlyDictionary<string, string> Settings, double? SecondsExpected, double? BytesPerSecond, long? BytesRestored, long? BytesWritten);

/// <summary><c>restore-postgres</c>: a cluster at a point in time. Needs a restore key.</summary>
internal static class RestorePostgresCommand
{
    public static Command Create(CliContext context) => new Shape().Create(context);

    /// <summary>The command's options, which several of its steps read.</summary>
    private sealed class Shape
    {
        private readonly VaultArguments _vault = new();
        private readonly Option<string> _asset = ClusterOptions.Asset();
        private readonly Option<string> _target = new("--target") { Description = "The data directory to make.", HelpName = "DIR", Required = true };
        private readonly Option<bool> _latest = new("--latest") { Description = "Up to the end of the log; so it is without any goal, too." };
        private readonly Option<bool> _immediate = new("--immediate") { Description = "Only as far as the base backup needs." };
        private readonly Option<string> _time = new("--to-time") { Description = "Up to a time, for example '2026-05-01 12:30:00+02'; without an offset it is UTC.", HelpName = "TIME" };
        private readonly Option<string> _lsn = new("--to-lsn") { Description = "Up to a log position.", HelpName = "LSN" };
        private readonly Option<string> _name = new("--to-name") { Description = "Up to a restore point.", HelpName = "NAME" };
        private readonly Option<uint?> _xid = new("--to-xid") { Description = "Up to a transaction's end.", HelpName = "XID" };
        private readonly Option<bool> _exclusive = new("--exclusive") { Description = "Stop just before the goal instead of just after it." };
        private readonly Option<string> _timeline = new("--timeline") { Description = "latest, current (the base backup's own) or a number.", HelpName = "TIMELINE", DefaultValueFactory = _ => "latest" };
        private readonly Option<string> _base = new("--base-backup") { Description = "Start from this base backup instead of the best one.", HelpName = "ID" };
        private readonly Option<string> _action = new("--action") { Description = "What the server does at the goal: promote, pause or shutdown.", HelpName = "ACTION", DefaultValueFactory = _ => "promote" };
        private readonly Option<string[]> _tablespaces = new("--tablespace") { Description = "Where a tablespace goes, by its object id.", HelpName = "OID=DIR" };
        private readonly Option<string> _owner = new("--owner") { Description = "The account that will run the server; as root only.", HelpName = "ACCOUNT" };
        private readonly Option<bool> _delta = new("--delta") { Description = "The target holds this cluster, stopped: write only what differs, remove what does not belong." };
        private readonly Option<string> _command = new("--restore-command") { Description = "How the server fetches log; by default 'backupctl wal get' with this vault and key file.", HelpName = "COMMAND" };
        private readonly Option<bool> _dryRun = new("--dry-run", "-n") { Description = "Say what would be restored from where, how much it is and how long it takes; write nothing." };

        private readonly Option<bool> _prove = new("--prove") { Description = "Then start it in isolation, check it, and stop it again." };
        private readonly ProofArguments _proof = new();

        internal Command Create(CliContext context)
        {
            _action.AcceptOnlyFromAmong("promote", "pause", "shutdown");
            return context.Leaf(
                "restore-postgres", "Restore a database cluster to a point in time.",
                [.. _vault.All, _asset, _target, _latest, _immediate, _time, _lsn, _name, _xid, _exclusive, _timeline, _base, _action, _tablespaces, _owner, _delta, _command, _dryRun, _prove, .. _proof.All], RunAsync);
        }

        private async Task<ExitCode> RunAsync(Invocation invocation, CancellationToken cancel)
        {
            var request = ReadRequest(invocation);
            if (invocation.Get(_prove) && request.Action != RecoveryAction.Promote)
            {
                throw Wrong("--prove brings the server up for good; it does not go with --action pause or shutdown.");
            }

            var time = invocation.Terminal.Time;
            var isDryRun = invocation.Get(_dryRun);
            var vault = await _vault.OpenAsync(invocation, cancel).ConfigureAwait(false);
            if (invocation.Get(_base) is { } text)
            {
                request = request with { BaseBackup = (await SnapshotArguments.FindAsync(vault, text, request.Asset, cancel).ConfigureAwait(false)).Id };
            }

            var recovery = new PostgresRecovery(time);
            var plan = await recovery.PlanAsync(vault, request, isDryRun, cancel).ConfigureAwait(false);
            if (!invocation.IsJson)
            {
                Tell(invocation, request, plan, isDryRun);
            }

            var started = time.GetTimestamp();
            var outcome = isDryRun ? null : await ProgressView.RunAsync(
                invocation.Terminal, "Restoring", invocation.IsQuiet, view => recovery.RunAsync(vault, request, plan, view.ForTransfer(), cancel)).ConfigureAwait(false);
            if (invocation.IsJson)
            {
                invocation.Out.WriteJson(
                    new RecoveryLine(
                        plan.BaseBackup.ToString(), plan.BaseBackupAt, request.Files.Target, request.Goal.ToString(), isDryRun, plan.MajorVersion, plan.Timeline, plan.ReplayFrom.ToString(),
                        plan.ReplayTo.ToString(), plan.BaseBackupBytes, plan.WalFiles, plan.WalBytes, plan.Note, plan.Settings, plan.DurationExpected?.TotalSeconds, plan.BytesPerSecondMeasured,
                        outcome?.BytesRestored, outcome?.BytesWritten),
                    CliJson.Default.RecoveryLine);
            }
            else if (outcome is not null)
            {
                invocation.Out.WriteLine($"Restored {Figures.Bytes(outcome.BytesRestored)}, wrote {Figures.Bytes(outcome.BytesWritten)} in {Figures.Duration(time.GetElapsedTime(started))}.");
                if (!invocation.Get(_prove))
                {
                    invocation.Out.WriteLine($"Now start PostgreSQL {plan.MajorVersion} on {request.Files.Target}: it fetches the log itself. Its account must be able to run the restore_command and read the key file.");
                }
            }

            return outcome is not null && invocation.Get(_prove)
                ? await _proof.RunAsync(invocation, vault, plan.BaseBackup, request.Files.Target, plan.Timeline, cancel).ConfigureAwait(false)
                : ExitCode.Success;
        }

        private RecoveryRequest ReadRequest(Invocation invocation)
        {
            var asset = invocation.Require(_asset);
            var goal = ReadGoal(invocation);
            return new RecoveryRequest
            {
                Asset = asset,
                Goal = goal with { IsInclusive = !invocation.Get(_exclusive) },
                Timeline = TimelineChoice.TryParse(invocation.Require(_timeline), out var timeline) ? timeline : throw Wrong("--timeline takes latest, current or a number."),
                Action = Enum.Parse<RecoveryAction>(invocation.Require(_action), ignoreCase: true),
                RestoreCommand = invocation.Get(_command) ?? WalGetCommandLine.Of(invocation, _vault, asset),
                EndCommand = invocation.Get(_command) is null ? $"rm -rf -- 'pg_wal/{WalCommands.PrefetchFolder}'" : null,
                Files = new PostgresRestoreRequest
                {
                    Target = Path.GetFullPath(invocation.Require(_target)),
                    Owner = invocation.Get(_owner),
                    Overwrite = invocation.Get(_delta),
                    Tablespaces = ReadTablespaces(invocation.Get(_tablespaces) ?? []),
                },
            };
        }

        private RecoveryTarget ReadGoal(Invocation invocation)
        {
            var goals = new List<RecoveryTarget>();
            if (invocation.Get(_latest))
            {
                goals.Add(RecoveryTarget.Latest);
            }

            if (invocation.Get(_immediate))
            {
                goals.Add(RecoveryTarget.Immediate);
            }

            if (invocation.Get(_time) is { } time)
            {
                goals.Add(DateTimeOffset.TryParse(time, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var at)
                    ? RecoveryTarget.At(at)
                    : throw Wrong($"'{time}' is no time: write it as 2026-05-01 12:30:00+02:00."));
            }

            if (invocation.Get(_lsn) is { } lsn)
            {
                goals.Add(Lsn.TryParse(lsn, out var position) ? RecoveryTarget.At(position) : throw Wrong($"'{lsn}' is no log position: write it as 16/B374D848."));
            }

            if (invocation.Get(_name) is { Length: > 0 } name)
            {
                goals.Add(RecoveryTarget.AtRestorePoint(name));
            }

            if (invocation.Get(_xid) is { } xid)
            {
                goals.Add(RecoveryTarget.AtTransaction(xid));
            }

            return goals.Count switch
            {
                0 => RecoveryTarget.Latest,
                1 => goals[0],
                _ => throw Wrong("Name one goal: --latest, --immediate, --to-time, --to-lsn, --to-name or --to-xid."),
            };
        }

        private static Dictionary<uint, string> ReadTablespaces(string[] texts)
        {
            var tablespaces = new Dictionary<uint, string>();
            foreach (var text in texts)
            {
                if (text.Split('=', 2) is not [var id, { Length: > 0 } folder] || !uint.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var objectId)
                    || !tablespaces.TryAdd(objectId, Path.GetFullPath(folder)))
                {
                    throw Wrong($"--tablespace takes OID=DIR, each once, not '{text}'.");
                }
            }

            return tablespaces;
        }

        private static void Tell(Invocation invocation, RecoveryRequest request, RecoveryPlan plan, bool isDryRun)
        {
            var output = invocation.Out;
            output.WriteLine($"{(isDryRun ? "Would restore" : "Restoring")} '{request.Asset}' to {request.Files.Target}, {request.Goal}:");
            output.WriteLine($"  base backup {plan.BaseBackup.ToString()[..SnapshotsCommand.IdDigitsShown]} of {Figures.Instant(plan.BaseBackupAt)}, {Figures.Bytes(plan.BaseBackupBytes)}, PostgreSQL {plan.MajorVersion}");
            output.WriteLine($"  log from {plan.ReplayFrom} to {plan.ReplayTo} on timeline {plan.Timeline}: {Figures.Count(plan.WalFiles, "file")}, {Figures.Bytes(plan.WalBytes)}");
            if (plan.Note is { } note)
            {
                output.WriteLine($"  note: {note}");
            }

            if (isDryRun)
            {
                output.WriteLine($"  restore_command = {request.RestoreCommand}");
                output.WriteLine(plan is { DurationExpected: { } duration, BytesPerSecondMeasured: { } rate }
                    ? $"  about {Figures.Duration(duration)} at the {Figures.Bytes((long)rate)}/s at which this vault was read just now, and the replay of the log"
                    : "  the base backup is empty: nothing could be measured");
            }
        }

        private static CliException Wrong(string message) => new(CliFault.OptionInvalid, message, "See 'backupctl restore-postgres --help'.");
    }
}
