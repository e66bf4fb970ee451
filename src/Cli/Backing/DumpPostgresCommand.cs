using System.CommandLine;
using Backup.Cli.Output;
using Backup.Cli.Vaults;
using Backup.Sources.Postgres.Dumps;
using Backup.Vault.Snapshots;

namespace Backup.Cli.Backing;

/// <summary><c>dump-postgres</c>: logical dumps of databases, and global objects, streamed into the vault. A backup key is enough.</summary>
internal static class DumpPostgresCommand
{
    public static Command Create(CliContext context)
    {
        var vault = new VaultArguments();
        var asset = ClusterOptions.Asset("; its dumps are under NAME:dump");
        var connection = ClusterOptions.ConnectionFile();
        var databases = new Option<string[]>("--database") { Description = "Only this database; may be repeated.", HelpName = "DATABASE" };
        var programs = new Option<string>("--postgres-bin") { Description = "The folder with pg_dump and pg_dumpall, where packages do not put them.", HelpName = "DIR" };
        var tags = BackupCommand.TagOption();
        return context.Leaf("dump-postgres", "Dump databases logically, for pg_restore.", [.. vault.All, asset, connection, databases, programs, tags], async (invocation, cancel) =>
        {
            var request = new PostgresDumpRequest
            {
                Asset = invocation.Require(asset),
                ConnectionString = await ClusterOptions.ReadConnectionAsync(invocation, connection, cancel).ConfigureAwait(false),
                Databases = invocation.Get(databases) ?? [],
                Programs = invocation.Get(programs),
                Tags = BackupCommand.ReadTags(invocation, tags),
            };
            var opened = await vault.OpenAsync(invocation, cancel).ConfigureAwait(false);
            var outcome = await ProgressView.RunAsync(
                invocation.Terminal, "Dumping", invocation.IsQuiet,
                view => new PostgresDumpSource(invocation.Terminal.Time).BackupAsync(opened, request, new WriterOptions(), view.ForTransfer(), cancel)).ConfigureAwait(false);
            return BackupCommand.Report(invocation, PostgresDumpSource.AssetOf(request.Asset), outcome);
        });
    }
}
