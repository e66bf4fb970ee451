using Backup.LocalStack.Services;
using Npgsql;
using NpgsqlTypes;

namespace Backup.LocalStack.SampleData;

/// <summary>The sample database: a generated catalogue of cosmic voids, with foreign keys, indexes, large values, a tablespace and an unlogged table.</summary>
internal static class VoidCatalogue
{
    /// <summary>The database's name.</summary>
    public const string Database = "voids";

    /// <summary>Tables nobody writes to after the catalogue was made: equal, row for row, in every restore.</summary>
    public static readonly IReadOnlyList<string> StaticTables = ["survey", "galaxy", "cosmic_void", "void_member", "spectrum", "tile_statistic"];

    /// <summary>Rows of the catalogue's logged tables that are generated row by row.</summary>
    public const int GeneratedRows = Surveys + Galaxies + Voids + Voids * MembersPerVoid + Spectra;

    private const int Surveys = 6;
    private const int Galaxies = 150_000;
    private const int Voids = 20_000;
    private const int MembersPerVoid = 3;
    private const int Spectra = 250;
    private const int FluxBytes = 64 * 1024;
    private const ulong Seed = 0xDE51;

    /// <summary>Makes the database unless it exists complete; one that an interrupted start left is made again.</summary>
    /// <param name="server">Where.</param>
    /// <param name="tablespaceFolder">Where its tablespace lies.</param>
    /// <param name="cancel">Gives up.</param>
    /// <param name="multiple">How many times the usual number of rows; one is 58 MB with indexes. The same one always gives the same rows.</param>
    public static async Task CreateAsync(PostgresServer server, string tablespaceFolder, CancellationToken cancel, int multiple = 1)
    {
        const string Unfinished = Database + "_unfinished";
        if (await server.HasDatabaseAsync(Database, cancel).ConfigureAwait(false))
        {
            return;
        }

        await using var admin = await OpenAsync(server.ConnectionString(), cancel).ConfigureAwait(false);
        await ExecuteAsync(admin, $"DROP DATABASE IF EXISTS {Unfinished}", cancel).ConfigureAwait(false);
        await ExecuteAsync(admin, "DROP TABLESPACE IF EXISTS void_archive", cancel).ConfigureAwait(false);
        Directory.CreateDirectory(tablespaceFolder);
        server.Account?.TakeOwnership(tablespaceFolder);
        await ExecuteAsync(admin, $"CREATE TABLESPACE void_archive LOCATION '{tablespaceFolder.Replace("'", "''", StringComparison.Ordinal)}'", cancel).ConfigureAwait(false);
        await using (var connection = await OpenAsync(await server.CreateDatabaseAsync(Unfinished, cancel).ConfigureAwait(false), cancel).ConfigureAwait(false))
        {
            await ExecuteAsync(connection, Script("VoidCatalogue.sql"), cancel).ConfigureAwait(false);
            await FillAsync(connection, multiple, cancel).ConfigureAwait(false);
            await ExecuteScriptAsync(connection, "VoidCatalogueIndexes.sql", cancel).ConfigureAwait(false);
        }

        // The final name appears only with everything in place.
        await ExecuteAsync(admin, $"ALTER DATABASE {Unfinished} RENAME TO {Database}", cancel).ConfigureAwait(false);
    }

    private static async Task FillAsync(NpgsqlConnection connection, int multiple, CancellationToken cancel)
    {
        var random = new SeededRandom(Seed);
        var (galaxies, voids) = (Galaxies * multiple, Voids * multiple);
        await CopyAsync(connection, "survey (id, name, depth_mag)", Surveys, (row, id) =>
        {
            row.Write(id, NpgsqlDbType.Integer);
            row.Write($"Survey {id}", NpgsqlDbType.Text);
            row.Write((float)random.Between(19, 24), NpgsqlDbType.Real);
        }, cancel).ConfigureAwait(false);
        await CopyAsync(connection, "galaxy (id, survey_id, ra_deg, dec_deg, redshift, magnitude_r)", galaxies, (row, id) =>
        {
            row.Write((long)id, NpgsqlDbType.Bigint);
            row.Write(random.Below(Surveys), NpgsqlDbType.Integer);
            WritePosition(row, random);
            row.Write((float)random.Between(0.01, 1.6), NpgsqlDbType.Real);
            if (random.Below(50) == 0)
            {
                row.WriteNull();
            }
            else
            {
                row.Write((float)random.Between(14, 23), NpgsqlDbType.Real);
            }
        }, cancel).ConfigureAwait(false);
        await CopyAsync(connection, "cosmic_void (id, name, ra_deg, dec_deg, redshift, radius_mpc, notes)", voids, (row, id) =>
        {
            row.Write((long)id, NpgsqlDbType.Bigint);
            row.Write($"VOID-{id:000000}", NpgsqlDbType.Text);
            WritePosition(row, random);
            row.Write((float)random.Between(0.01, 1.6), NpgsqlDbType.Real);
            row.Write((float)random.Between(8, 60), NpgsqlDbType.Real);
            row.Write(id % 7 == 0 ? "Ünder review · z from two lines" : "watershed, confirmed", NpgsqlDbType.Text);
        }, cancel).ConfigureAwait(false);
        await CopyAsync(connection, "void_member (void_id, galaxy_id, distance_mpc)", voids * MembersPerVoid, (row, n) =>
        {
            row.Write((long)(n / MembersPerVoid), NpgsqlDbType.Bigint);
            // Different for the members of one void: the pair is the key.
            row.Write((long)(random.Below(galaxies / MembersPerVoid) * MembersPerVoid + n % MembersPerVoid), NpgsqlDbType.Bigint);
            row.Write((float)random.Between(0, 60), NpgsqlDbType.Real);
        }, cancel).ConfigureAwait(false);
        await CopyAsync(connection, "spectrum (galaxy_id, wavelength_start, flux)", Spectra * multiple, (row, id) =>
        {
            var flux = new byte[FluxBytes];
            for (var at = 0; at < flux.Length; at += sizeof(ulong))
            {
                BitConverter.TryWriteBytes(flux.AsSpan(at), random.NextUInt64());
            }

            row.Write((long)id, NpgsqlDbType.Bigint);
            row.Write(3600f, NpgsqlDbType.Real);
            row.Write(flux, NpgsqlDbType.Bytea);
        }, cancel).ConfigureAwait(false);
    }

    private static void WritePosition(NpgsqlBinaryImporter row, SeededRandom random)
    {
        row.Write(random.Between(0, 360), NpgsqlDbType.Double);
        row.Write(random.Between(-30, 80), NpgsqlDbType.Double);
    }

    private static async Task CopyAsync(NpgsqlConnection connection, string target, int rows, Action<NpgsqlBinaryImporter, int> write, CancellationToken cancel)
    {
        await using var importer = await connection.BeginBinaryImportAsync($"COPY {target} FROM STDIN (FORMAT BINARY)", cancel).ConfigureAwait(false);
        for (var i = 0; i < rows; i++)
        {
            await importer.StartRowAsync(cancel).ConfigureAwait(false);
            write(importer, i);
        }

        await importer.CompleteAsync(cancel).ConfigureAwait(false);
    }

    private static async Task ExecuteScriptAsync(NpgsqlConnection connection, string name, CancellationToken cancel)
    {
        foreach (var statement in Script(name).Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            await ExecuteAsync(connection, statement, cancel).ConfigureAwait(false);
        }
    }

    private static string Script(string name)
    {
        using var stream = typeof(VoidCatalogue).Assembly.GetManifestResourceStream(typeof(VoidCatalogue), name)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private static async Task<NpgsqlConnection> OpenAsync(string connectionString, CancellationToken cancel)
    {
        var connection = new NpgsqlConnection(connectionString + ";Pooling=false;CommandTimeout=300");
        await connection.OpenAsync(cancel).ConfigureAwait(false);
        return connection;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancel)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancel).ConfigureAwait(false);
    }
}
