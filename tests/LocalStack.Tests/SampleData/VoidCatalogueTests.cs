using Backup.LocalStack.SampleData;
using Backup.LocalStack.Services;
using Backup.Services.Testing;
using Npgsql;
using Shouldly;

namespace Backup.LocalStack.Tests.SampleData;

public sealed class VoidCatalogueTests
{
    [Fact]
    public async Task Create_ThenWriteThenKill_IsAConsistentCatalogue()
    {
        using var scratch = new ScratchFolder("catalogue");
        var packages = await LocalPackages.InstallAsync();
        await using var server = await PostgresServer.StartAsync(packages, new PostgresOptions("sample", scratch.Path) { Durable = false });
        await VoidCatalogue.CreateAsync(server, scratch.Combine("tablespace"), CancellationToken.None);
        await VoidCatalogue.CreateAsync(server, scratch.Combine("tablespace"), CancellationToken.None);
        var connection = server.ConnectionString(VoidCatalogue.Database) + ";Pooling=false";
        VoidCatalogue.GeneratedRows.ShouldBeGreaterThanOrEqualTo(200_000);
        (await CountAsync(connection, "SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE relname = 'spectrum'")).ShouldBeGreaterThan(10 << 20);
        (await CountAsync(connection, "SELECT count(*) FROM preview_cache")).ShouldBe(5000);
        var rows = new Dictionary<string, long>();
        foreach (var table in VoidCatalogue.StaticTables)
        {
            rows.Add(table, await CountAsync(connection, $"SELECT count(*) FROM {table}"));
        }

        long committed;
        await using (var writer = await ObservationWriter.StartAsync(connection, TimeProvider.System, CancellationToken.None))
        {
            while (writer.CommittedCount < 200)
            {
                writer.Writing.IsFaulted.ShouldBeFalse();
                await Task.Yield();
            }

            committed = writer.CommittedCount;
            await server.KillAsync();
        }

        // A server killed while written to is what a hot backup sees: consistent after recovery, its unlogged table empty.
        await server.StartAgainAsync();
        foreach (var (table, count) in rows)
        {
            (await CountAsync(connection, $"SELECT count(*) FROM {table}")).ShouldBe(count, table);
        }

        (await CountAsync(connection, "SELECT count(*) FROM observation_log")).ShouldBeGreaterThanOrEqualTo(committed);
        (await CountAsync(connection, "SELECT max(sequence_no) - count(*) FROM observation_log")).ShouldBe(0);
        (await CountAsync(connection, "SELECT count(*) FROM observation_log WHERE digest <> md5('observation ' || sequence_no)")).ShouldBe(0);
        (await CountAsync(connection, "SELECT sum(minutes)::bigint FROM telescope_budget")).ShouldBe(ObservationWriter.BudgetMinutes);
        (await CountAsync(connection, "SELECT count(*) FROM preview_cache")).ShouldBe(0);
    }

    private static async Task<long> CountAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        await using var query = new NpgsqlCommand(sql, connection);
        return Convert.ToInt64(await query.ExecuteScalarAsync(), System.Globalization.CultureInfo.InvariantCulture);
    }
}
