using System.CommandLine;
using Backup.Cli.Backing;
using Backup.Cli.Output;
using Backup.Cli.Vaults;
using Backup.Sources;
using Backup.Sources.Postgres.Wal;
using Backup.Vault;
using Backup.Vault.Pruning;

namespace Backup.Cli.Log;

/// <summary>A push as machines read it.</summary>
internal sealed record WalPushLine(string Name, bool Stored);

/// <summary><c>wal push</c>, <c>get</c>, <c>receive</c>, <c>check</c>, <c>prune</c>: PostgreSQL's log between servers and vaults.</summary>
internal static class WalCommands
{
    private const string WalFolder = "pg_wal";

    /// <summary>Beside what PostgreSQL fetches into; it looks at nothing whose name it did not make.</summary>
    internal const string PrefetchFolder = ".backup-prefetch";

    public static Command Create(CliContext context) => CliContext.Group(
        "wal", "PostgreSQL's write-ahead log: archive, fetch, receive and check it.",
        Push(context), Get(context), WalReceiveCommand.Create(context), WalCheckCommand.Create(context), Prune(context));

    private static Command Push(CliContext context)
    {
        var vault = new VaultArguments();
        var asset = ClusterOptions.Asset();
        var file = new Argument<string>("path") { Description = "The file, %p of archive_command; a bare name is looked for in pg_wal of the current folder." };
        return context.Leaf("push", "Store one file of log, for archive_command. A backup key is enough.", [file, .. vault.All, asset], async (invocation, cancel) =>
        {
            var path = invocation.Require(file);
            if (!File.Exists(path) && Path.GetFileName(path) == path && File.Exists(Path.Combine(WalFolder, path)))
            {
                path = Path.Combine(WalFolder, path);
            }

            var opened = await vault.OpenAsync(invocation, cancel).ConfigureAwait(false);
            var outcome = await new WalArchiver(invocation.Terminal.Time).PushAsync(opened, invocation.Require(asset), path, cancel).ConfigureAwait(false);
            if (invocation.IsJson)
            {
                invocation.Out.WriteJson(new WalPushLine(Path.GetFileName(path), outcome == WalPushOutcome.Stored), CliJson.Default.WalPushLine);
            }
            else
            {
                // PostgreSQL puts what is printed into its log for every file.
                invocation.Note(outcome == WalPushOutcome.Stored ? $"Stored {Path.GetFileName(path)}." : $"{Path.GetFileName(path)} is in the vault already.");
            }

            return ExitCode.Success;
        });
    }

    private static Command Get(CliContext context)
    {
        var vault = new VaultArguments();
        var asset = ClusterOptions.Asset();
        var name = new Argument<string>("name") { Description = "The file, %f of restore_command." };
        var target = new Argument<string>("target") { Description = "Where to, %p of restore_command." };
        var prefetch = new Option<int>("--prefetch") { Description = "How many files after it are fetched ahead, 0 to 64.", HelpName = "COUNT", DefaultValueFactory = _ => WalFetcher.PrefetchDefault };
        return context.Leaf("get", "Fetch one file of log, for restore_command. Needs a restore key.", [name, target, .. vault.All, asset, prefetch], async (invocation, cancel) =>
        {
            try
            {
                var (wanted, path) = (invocation.Require(name), Path.GetFullPath(invocation.Require(target)));
                var waiting = Path.Combine(Path.GetDirectoryName(path)!, PrefetchFolder);
                var count = invocation.Within(prefetch, 0, 64);
                if (!WalFetcher.TryTakePrefetched(wanted, path, waiting))
                {
                    var opened = await vault.OpenAsync(invocation, cancel).ConfigureAwait(false);
                    await WalFetcher.GetAsync(opened, invocation.Require(asset), wanted, path, count == 0 ? null : waiting, count, cancel).ConfigureAwait(false);
                }

                return ExitCode.Success;
            }
            catch (Exception failure) when (failure is not SourcesException { Fault: SourcesFault.WalNotHeld } and not OperationCanceledException)
            {
                // An ordinary code would tell the server that this was the end of the log, and it would go on without the rest.
                ErrorText.Write(invocation.Terminal, failure, ExitCode.RecoveryMustStop, invocation.IsJson);
                return ExitCode.RecoveryMustStop;
            }
        });
    }

    private static Command Prune(CliContext context)
    {
        var vault = new VaultArguments();
        var asset = ClusterOptions.Asset();
        var dryRun = new Option<bool>("--dry-run", "-n") { Description = "Only show what would be dropped." };
        return context.Leaf("prune", "Drop snapshots of log that younger ones supersede, or that no base backup needs.", [.. vault.All, asset, dryRun], async (invocation, cancel) =>
        {
            var opened = await vault.OpenAsync(invocation, cancel).ConfigureAwait(false);
            if (!opened.CanRead)
            {
                throw new VaultException(VaultFault.KeyRole, "Only a restore key can tell which log base backups need.", "Name the restore key.");
            }

            var snapshots = await opened.ListSnapshotsAsync(cancel).ConfigureAwait(false);
            var drop = WalRetention.Decide(invocation.Require(asset), snapshots, invocation.Terminal.Time.GetUtcNow());
            if (!invocation.Get(dryRun) && drop.Count > 0)
            {
                var plan = await Pruner.PlanAsync(opened, new PruneRequest { Drop = drop }, cancel).ConfigureAwait(false);
                await ProgressView.RunAsync(invocation.Terminal, "Pruning", invocation.IsQuiet, view => Pruner.ExecuteAsync(opened, plan, view.ForVault(), cancel)).ConfigureAwait(false);
            }

            if (invocation.IsJson)
            {
                invocation.Out.WriteJson(new WalPruneLine(invocation.Get(dryRun), [.. drop.Select(id => id.ToString())]), CliJson.Default.WalPruneLine);
            }
            else
            {
                invocation.Out.WriteLine(invocation.Get(dryRun)
                    ? $"Would drop {Figures.Count(drop.Count)} of {Figures.Count(snapshots.Count, "snapshot")}."
                    : $"Dropped {Figures.Count(drop.Count)} of {Figures.Count(snapshots.Count, "snapshot")}; their packs are freed after the grace period.");
            }

            return ExitCode.Success;
        });
    }
}

/// <summary>A prune of log as machines read it.</summary>
internal sealed record WalPruneLine(bool DryRun, IReadOnlyList<string> Dropped);
