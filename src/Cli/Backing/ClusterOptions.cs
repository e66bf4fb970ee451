using System.CommandLine;

namespace Backup.Cli.Backing;

/// <summary>How every command names a database cluster, and reaches its server.</summary>
internal static class ClusterOptions
{
    public static Option<string> Asset(string more = "") => NameOption.Required("--asset", $"The name of the database cluster in the vault{more}.");

    /// <summary>The file that <see cref="ReadConnectionAsync"/> reads: a connection string may hold a password, and arguments are visible to every user of the machine.</summary>
    public static Option<string> ConnectionFile(string more = "") => new("--connection-file") { Description = $"A file holding an Npgsql connection string{more}.", HelpName = "FILE", Required = true };

    public static async Task<string> ReadConnectionAsync(Invocation invocation, Option<string> file, CancellationToken cancel) =>
        (await File.ReadAllTextAsync(invocation.Require(file), cancel).ConfigureAwait(false)).Trim();
}
