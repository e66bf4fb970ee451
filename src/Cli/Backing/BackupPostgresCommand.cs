using System.CommandLine;
using Backup.Cli.Output;
using Backup.Cli.Vaults;
using Backup.Sources.Postgres;
using Backup.Vault.Snapshots;

namespace Backup.Cli.Backing;

/// <summary><c>backup-postgres</c>: a physical backup of a PostgreSQL server on this machine, while it works. A backup key is enough.</summary>
internal static class BackupPostgresCommand
{
    public static Command Create(CliContext context)
    {
        var vault = new VaultArguments();
        var asset = new Option<string>("--asset") { Description = "The name of the database cluster in the vault.", HelpName = "NAME", Required = true };
        var connection = new Option<string>("--connection-file")
        {
            Description = "A file holding an Npgsql connection string, for example 'Host=/run/postgresql;Username=backup'.",
            HelpName = "FILE",
            Required = true,
        };
        var tags = new Option<string[]>("--tag") { Description = "A tag for the snapshot.", HelpName = "NAME=VALUE" };
        return context.Leaf("backup-postgres", "Back up a PostgreSQL server on this machine.", [.. vault.All, asset, connection, tags], async (invocation, cancel) =>
        {
            var request = new PostgresBackupRequest
            {
                Asset = invocation.Require(asset),
                ConnectionString = (await File.ReadAllTextAsync(invocation.Require(connection), cancel).ConfigureAwait(false)).Trim(),
                Tags = BackupCommand.ReadTags(invocation.Get(tags) ?? []),
            };
            var opened = await vault.OpenAsync(invocation, cancel).ConfigureAwait(false);
            var outcome = await ProgressView.RunAsync(
                invocation.Terminal, "Backing up", invocation.IsQuiet,
                view => new PostgresSource(invocation.Terminal.Time).BackupAsync(opened, request, new WriterOptions(), view.ForTransfer(), cancel)).ConfigureAwait(false);
            return BackupCommand.Report(invocation, request.Asset, outcome);
        });
    }
}
