using Backup.LocalStack.Comparison;
using Backup.LocalStack.SampleData;
using Backup.LocalStack.Services;
using Backup.Services.Testing;
using Npgsql;
using Shouldly;

namespace Backup.LocalStack.Tests.SampleData;

public sealed class VoidCatalogueTests
{
    [Fact]
    public async Task Create_ThenWriteThenKill_IsAConsistentCatalogueWithSoundPages()
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
        var before = await CatalogueFingerprint.ReadAsync(connection, CancellationToken.None);

        await using (var writer = await ObservationWriter.StartAsync(connection, TimeProvider.System, CancellationToken.None))
        {
            while (writer.CommittedCount < 200)
            {
                writer.Writing.IsFaulted.ShouldBeFalse();
                await Task.Yield();
            }

            before = before with { Observations = writer.CommittedCount };
            await server.KillAsync();
        }

        // A server killed while written to is what a hot backup sees: consistent after recovery, its unlogged table empty.
        await server.StartAgainAsync();
        (await CatalogueCheck.RunAsync(connection, before, CancellationToken.None)).Differences.ShouldBeEmpty();
        await server.StopAsync();
        var pages = PageChecksums.Check(server.DataFolder);
        pages.Failures.ShouldBeEmpty();
        pages.Pages.ShouldBeGreaterThan(5_000);
    }

    private static async Task<long> CountAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        return await CatalogueCheck.ScalarAsync(connection, sql, CancellationToken.None);
    }
}
