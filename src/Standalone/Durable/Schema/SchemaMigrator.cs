using Npgsql;

namespace Backup.Standalone.Durable.Schema;

/// <summary>Brings a hub's schema up to date.</summary>
/// <remarks>
/// An advisory lock makes processes that start together take turns. Every migration and its version row commit together,
/// so a process that dies in the middle leaves the previous version. A schema newer than this program is refused, because
/// an older program would write rows the newer one does not expect.
/// </remarks>
internal static class SchemaMigrator
{
    private static readonly (int Version, string Resource)[] Migrations = FindMigrations();

    public static int NewestVersion => Migrations[^1].Version;

    public static async Task MigrateAsync(NpgsqlDataSource source, string schema, CancellationToken cancellationToken)
    {
        await using var connection = await source.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
        await ExecuteAsync(connection, $"SELECT pg_advisory_xact_lock(hashtext('backup.standalone.migrate'), hashtext('{schema}'))", cancellationToken)
            .ConfigureAwait(false);
        await ExecuteAsync(
            connection,
            $"CREATE SCHEMA IF NOT EXISTS \"{schema}\"; SET LOCAL search_path TO \"{schema}\"; "
            + "CREATE TABLE IF NOT EXISTS schema_versions (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())",
            cancellationToken).ConfigureAwait(false);

        int current;
        await using (var command = new NpgsqlCommand("SELECT coalesce(max(version), 0) FROM schema_versions", connection))
        {
            current = (int)(await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false))!;
        }

        if (current > NewestVersion)
        {
            throw new StandaloneException(
                StandaloneFault.SchemaTooNew,
                $"The schema {schema} has version {current}; this program knows versions up to {NewestVersion}.",
                "Run the newer program, or point this one at another hub or database.");
        }

        foreach (var (version, resource) in Migrations.Where(m => m.Version > current))
        {
            await ExecuteAsync(connection, ReadResource(resource), cancellationToken).ConfigureAwait(false);
            await ExecuteAsync(connection, $"INSERT INTO schema_versions (version) VALUES ({version})", cancellationToken).ConfigureAwait(false);
        }

        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
    }

    // The text is built of validated hub names and of our own resources only.
    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
#pragma warning disable CA2100 // No user input: see above.
        await using var command = new NpgsqlCommand(sql, connection);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }

    private static string ReadResource(string name)
    {
        using var stream = typeof(SchemaMigrator).Assembly.GetManifestResourceStream(name)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private static (int Version, string Resource)[] FindMigrations()
    {
        const string Marker = ".Durable.Schema.";
        return [.. typeof(SchemaMigrator).Assembly.GetManifestResourceNames()
            .Where(name => name.Contains(Marker, StringComparison.Ordinal) && name.EndsWith(".sql", StringComparison.Ordinal))
            .Select(name => (int.Parse(
                name.AsSpan(name.IndexOf(Marker, StringComparison.Ordinal) + Marker.Length, 4),
                System.Globalization.CultureInfo.InvariantCulture), name))
            .OrderBy(m => m.Item1)];
    }
}
