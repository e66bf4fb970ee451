using System.Globalization;
using System.Security.Cryptography;
using Backup.Catalog.Database;

namespace Backup.Catalog.Migrations;

/// <summary>Brings the database to this release's schema: numbered SQL files, each applied once, in order.</summary>
public static class CatalogSchema
{
    /// <summary>Any fixed number does, as long as nothing else in the database uses it: "BKCATALG" in ASCII.</summary>
    private const long AdvisoryLock = 0x424B434154414C47;

    /// <summary>Applies what is missing. Safe to call from several processes at once, and again after a crash: one transaction holds all.</summary>
    /// <exception cref="CatalogException">The database is newer than this release, an applied file was changed, or the database failed.</exception>
    public static Task MigrateAsync(CatalogDatabase database, CancellationToken cancel) => MigrateAsync(database, EmbeddedFiles(), cancel);

    internal static Task MigrateAsync(CatalogDatabase database, IReadOnlyList<MigrationFile> files, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            // Held until the commit: a second process waits here and then finds everything applied.
            await session.ExecuteAsync("select pg_advisory_xact_lock($1)", cancel, AdvisoryLock).ConfigureAwait(false);
            await session.ExecuteAsync(
                "create table if not exists catalog_migration (number integer primary key, file text not null, sha256 bytea not null, applied_at timestamptz not null default now())",
                cancel).ConfigureAwait(false);
            var applied = await session.QueryAsync(
                "select number, file, sha256 from catalog_migration order by number",
                row => (Number: row.GetInt32(0), File: row.GetString(1), Hash: row.GetFieldValue<byte[]>(2)),
                cancel).ConfigureAwait(false);

            foreach (var (number, name, hash) in applied)
            {
                var file = files.FirstOrDefault(f => f.Number == number)
                    ?? throw new CatalogException(CatalogFault.SchemaNewer, $"The catalog database already has migration {name}, which this release does not know.", "Start the newer release, or restore the database from before the upgrade.");
                if (!hash.AsSpan().SequenceEqual(file.Hash))
                {
                    throw new CatalogException(CatalogFault.SchemaChanged, $"Migration {name} was applied with other contents than this release holds.", "Applied migrations are never edited: use an unchanged release.");
                }
            }

            var known = applied.Select(a => a.Number).ToHashSet();
            foreach (var file in files.Where(f => !known.Contains(f.Number)))
            {
                await session.ExecuteAsync(file.Sql, cancel).ConfigureAwait(false);
                await session.ExecuteAsync("insert into catalog_migration (number, file, sha256) values ($1, $2, $3)", cancel, file.Number, file.Name, file.Hash).ConfigureAwait(false);
            }

            return true;
        },
        cancel);

    internal static IReadOnlyList<MigrationFile> EmbeddedFiles()
    {
        var assembly = typeof(CatalogSchema).Assembly;
        var files = assembly.GetManifestResourceNames().Where(n => n.EndsWith(".sql", StringComparison.Ordinal)).Order(StringComparer.Ordinal).Select(name =>
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            return new MigrationFile(int.Parse(name[..4], NumberStyles.None, CultureInfo.InvariantCulture), name, reader.ReadToEnd());
        }).ToArray();
        // Numbers may be left out, so that two lines of work can add files side by side; no number may stand twice.
        return files.DistinctBy(file => file.Number).Count() == files.Length ? files : throw new InvalidOperationException("Two migrations have one number");
    }
}

/// <summary>One numbered SQL file.</summary>
internal sealed record MigrationFile(int Number, string Name, string Sql)
{
    public byte[] Hash { get; } = SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(Sql));
}
