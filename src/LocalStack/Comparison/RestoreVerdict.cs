using System.Globalization;
using Backup.LocalStack.SampleData;
using Backup.LocalStack.Services;
using Npgsql;

namespace Backup.LocalStack.Comparison;

/// <summary>What comparing one restore with its original showed.</summary>
/// <param name="Proof">What was compared, in words and numbers.</param>
/// <param name="Differences">What does not match; empty for a good restore.</param>
internal sealed record RestoreVerdict(string Proof, IReadOnlyList<string> Differences)
{
    private const int UserTablesMax = 10_000;

    public bool IsVerified => Differences.Count == 0;

    /// <summary>Judges a restored file tree.</summary>
    /// <param name="original">The folder that was backed up.</param>
    /// <param name="restored">Where it came back.</param>
    /// <param name="backupBegan">Set for a folder somebody may be changing: what changed since then is left out.</param>
    public static RestoreVerdict OfTree(string original, string restored, DateTimeOffset? backupBegan)
    {
        if (!Directory.Exists(restored))
        {
            return new RestoreVerdict("nothing", [$"{restored} was not restored"]);
        }

        var result = TreeComparison.Of(original, restored, backupBegan, compareOwners: Native.IsRoot);
        var changed = result.ChangedSince > 0 ? string.Create(CultureInfo.InvariantCulture, $", {result.ChangedSince:N0} changed since and left out") : string.Empty;
        return new RestoreVerdict(
            string.Create(CultureInfo.InvariantCulture, $"{result.Entries:N0} entries, {result.Bytes / 1e6:N0} MB bit for bit, with metadata{changed}"), result.Differences);
    }

    /// <summary>Judges a restored cluster that holds the sample database: starts it, queries it, stops it and checks every page.</summary>
    /// <remarks>The folder is used up: the started server writes to it.</remarks>
    public static Task<RestoreVerdict> OfSampleClusterAsync(LocalPackages packages, string dataFolder, CatalogueFingerprint original, string logFile, CancellationToken cancel) =>
        OfClusterAsync(packages, dataFolder, PostgresServer.Superuser, logFile, async (cluster, differences) =>
        {
            var check = await CatalogueCheck.RunAsync(cluster.ConnectionString(VoidCatalogue.Database), original, cancel).ConfigureAwait(false);
            differences.AddRange(check.Differences);
            return string.Create(CultureInfo.InvariantCulture,
                $"{original.Tables.Count} tables equal by content hash, log of {check.Observations:N0} without gaps ({original.Observations:N0} at backup start)");
        }, cancel);

    /// <summary>Judges a restored cluster of the user's, whose content nobody knows: it starts, and every row of every table can be read.</summary>
    public static Task<RestoreVerdict> OfUserClusterAsync(LocalPackages packages, string dataFolder, string superuser, string logFile, CancellationToken cancel) =>
        OfClusterAsync(packages, dataFolder, superuser, logFile, async (cluster, differences) =>
        {
            long tables = 0, rows = 0;
            foreach (var database in await ListAsync(cluster.ConnectionString("postgres"), "SELECT datname FROM pg_database WHERE datallowconn", cancel).ConfigureAwait(false))
            {
                const string Tables = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
                foreach (var table in (await ListAsync(cluster.ConnectionString(database), Tables, cancel).ConfigureAwait(false)).Take(UserTablesMax))
                {
                    var read = await ListAsync(cluster.ConnectionString(database), $"SELECT count(t.*)::text FROM {table} AS t", cancel).ConfigureAwait(false);
                    rows += long.Parse(read[0], CultureInfo.InvariantCulture);
                    tables++;
                }
            }

            return string.Create(CultureInfo.InvariantCulture, $"{tables:N0} tables with {rows:N0} rows read");
        }, cancel);

    private static async Task<RestoreVerdict> OfClusterAsync(LocalPackages packages, string dataFolder, string superuser, string logFile,
        Func<RestoredCluster, List<string>, Task<string>> inspect, CancellationToken cancel)
    {
        List<string> differences = [];
        string proof;
        try
        {
            await using var cluster = await RestoredCluster.StartAsync(packages, dataFolder, superuser, logFile, cancel).ConfigureAwait(false);
            proof = await inspect(cluster, differences).ConfigureAwait(false);
        }
        catch (Exception broken) when (broken is LocalStackException or NpgsqlException or IOException)
        {
            return new RestoreVerdict("does not start or cannot be read", [broken.Message]);
        }

        var pages = await Task.Run(() => PageChecksums.Check(dataFolder), cancel).ConfigureAwait(false);
        differences.AddRange(pages.Failures.Select(f => $"page checksum: {f}"));
        return new RestoreVerdict(string.Create(CultureInfo.InvariantCulture, $"started, consistent, {proof}, {pages.Pages:N0} page checksums right"), differences);
    }

    private static async Task<List<string>> ListAsync(string connectionString, string sql, CancellationToken cancel)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(cancel).ConfigureAwait(false);
        await using var query = new NpgsqlCommand(sql, connection);
        await using var rows = await query.ExecuteReaderAsync(cancel).ConfigureAwait(false);
        List<string> found = [];
        while (await rows.ReadAsync(cancel).ConfigureAwait(false))
        {
            found.Add(rows.GetString(0));
        }

        return found;
    }
}
