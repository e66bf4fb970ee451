using System.CommandLine;
using Backup.Cli.Output;
using Backup.Cli.Vaults;
using Backup.Sources.Postgres;

namespace Backup.Cli.Backing;

/// <summary><c>backup-postgres</c>: a physical backup of a PostgreSQL server, while it works. A backup key is enough.</summary>
internal static class BackupPostgresCommand
{
    public static Command Create(CliContext context)
    {
        var vault = new VaultArguments();
        var asset = ClusterOptions.Asset();
        var connection = ClusterOptions.ConnectionFile(", for example 'Host=/run/postgresql;Username=backup'");
        var tags = BackupCommand.TagOption();
        var spread = new Option<bool>("--spread-checkpoint") { Description = "Let the server take its time for the checkpoint that begins the backup, instead of loading its disk at once." };
        var fullSpeed = new Option<bool>("--full-speed") { Description = "Do not yield the processors to the server's clients while they are at work." };
        var remote = new Option<bool>("--remote") { Description = "Have the server send its files over the replication protocol, as is done anyway when its host is not this machine." };
        var cache = new Option<string>("--cache-folder") { Description = "Where to remember unchanged files; losing it costs time only.", HelpName = "DIR" };
        var noCache = new Option<bool>("--no-cache") { Description = "Read every file, and remember nothing." };
        var record = new Option<int>("--record-mib")
        {
            Description = "How much of each table is read to record its rows, which proofs of restores compare with; 0 records nothing.",
            HelpName = "N",
            DefaultValueFactory = _ => PostgresBackupRequest.RecordMebibytesDefault,
        };
        return context.Leaf("backup-postgres", "Back up a PostgreSQL server, on this machine or another.", [.. vault.All, asset, connection, tags, spread, fullSpeed, remote, cache, noCache, record], async (invocation, cancel) =>
        {
            var request = new PostgresBackupRequest
            {
                Asset = invocation.Require(asset),
                ConnectionString = await ClusterOptions.ReadConnectionAsync(invocation, connection, cancel).ConfigureAwait(false),
                SpreadCheckpoint = invocation.Get(spread),
                FullSpeed = invocation.Get(fullSpeed),
                Streamed = invocation.Get(remote) ? true : null,
                CacheFolder = BackupCommand.CacheFolder(invocation, cache, noCache),
                Tags = BackupCommand.ReadTags(invocation, tags),
                RecordMebibytes = invocation.Within(record, 0, PostgresBackupRequest.RecordMebibytesMax),
            };
            var opened = await vault.OpenAsync(invocation, cancel).ConfigureAwait(false);
            var outcome = await ProgressView.RunAsync(
                invocation.Terminal, "Backing up", invocation.IsQuiet,
                view => new PostgresSource(invocation.Terminal.Time).BackupAsync(opened, request, null, view.ForTransfer(), cancel)).ConfigureAwait(false);
            return BackupCommand.Report(invocation, request.Asset, outcome);
        });
    }
}
