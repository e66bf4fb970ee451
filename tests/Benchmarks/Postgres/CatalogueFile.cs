using System.Globalization;
using Backup.LocalStack.SampleData;
using Backup.LocalStack.Services;
using Backup.Services.Testing;
using Npgsql;

namespace Backup.Benchmarks.Postgres;

/// <summary>Writes the void catalogue of the local run, as large as wanted, as an SQL file that psql loads: the same rows every time.</summary>
internal static class CatalogueFile
{
    private const string Usage = "void-catalogue FILE [MULTIPLE]: 18 times the local run's rows unless given, which makes about 1 GB with indexes; pg_dump and PostgreSQL are Debian's";
    private const int MultipleDefault = 18;

    internal static async Task<int> RunAsync(string[] arguments)
    {
        var programs = DebianPrograms.Folder;
        var multiple = MultipleDefault;
        if (arguments.Length is 0 or > 2 || !File.Exists(Path.Combine(programs, "pg_dump"))
            || (arguments.Length == 2 && !(int.TryParse(arguments[1], NumberStyles.None, CultureInfo.InvariantCulture, out multiple) && multiple > 0)))
        {
            Console.Error.WriteLine(Usage);
            return 2;
        }

        using var scratch = new ScratchFolder("catalogue");
        await using var server = await PostgresServer.StartAsync(
            await LocalPackages.InstallAsync(), new PostgresOptions("PostgreSQL", scratch.Combine("server")) { Programs = programs, Durable = false });
        await VoidCatalogue.CreateAsync(server, scratch.Combine("tablespace"), CancellationToken.None, multiple);
        var database = server.ConnectionString(VoidCatalogue.Database);
        await using (var connection = new NpgsqlConnection(database + ";Pooling=false"))
        {
            await connection.OpenAsync();
            await using var size = new NpgsqlCommand("SELECT pg_database_size(current_database())", connection);
            var bytes = (long)(await size.ExecuteScalarAsync())!;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{multiple} times the local run's catalogue: {bytes / 1e6:0} MB with indexes"));
        }

        // One who loads it may have no such tablespace and no such role.
        using var dump = DebianPrograms.Start("pg_dump", database, "--no-owner", "--no-privileges", "--no-tablespaces", "--file", Path.GetFullPath(arguments[0]));
        var errors = await dump.StandardError.ReadToEndAsync();
        await dump.WaitForExitAsync();
        if (dump.ExitCode != 0)
            throw new InvalidOperationException($"pg_dump ended with {dump.ExitCode}: {errors}");
        return 0;
    }
}
