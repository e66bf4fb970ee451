using Backup.Catalog.Database;
using Backup.Catalog.Migrations;
using Backup.Services.Testing;
using Npgsql;
using Shouldly;

namespace Backup.Catalog.Tests.Migrations;

public sealed class CatalogSchemaTests(PostgresFixture postgres)
{
    [Fact]
    public async Task Migrate_FromManyProcessesAtOnce_AppliesEachFileOnce()
    {
        await using var source = NpgsqlDataSource.Create(await postgres.CreateDatabaseAsync());
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => CatalogSchema.MigrateAsync(new CatalogDatabase(source), CancellationToken.None)));
        await using var count = source.CreateCommand("select count(*) from catalog_migration");
        (await count.ExecuteScalarAsync()).ShouldBe((long)CatalogSchema.EmbeddedFiles().Count);
    }

    [Fact]
    public async Task Migrate_DatabaseOfANewerRelease_IsRefused()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await ExecuteAsync(catalog.Source, "insert into catalog_migration (number, file, sha256) values (9999, '9999_future.sql', 'x')");
        (await RefusalAsync(catalog.Database)).Fault.ShouldBe(CatalogFault.SchemaNewer);
    }

    [Fact]
    public async Task Migrate_AppliedFileWasEdited_IsRefused()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await ExecuteAsync(catalog.Source, "update catalog_migration set sha256 = 'x' where number = 1");
        (await RefusalAsync(catalog.Database)).Fault.ShouldBe(CatalogFault.SchemaChanged);
    }

    [Fact]
    public async Task Migrate_SecondFileFails_LeavesNothingOfIt()
    {
        await using var source = NpgsqlDataSource.Create(await postgres.CreateDatabaseAsync());
        var database = new CatalogDatabase(source);
        MigrationFile[] files = [new(1, "0001_a.sql", "create table a (x int)"), new(2, "0002_b.sql", "create table b (x int); select 1/0")];
        (await Should.ThrowAsync<CatalogException>(() => CatalogSchema.MigrateAsync(database, files, CancellationToken.None))).Fault.ShouldBe(CatalogFault.Refused);
        files[1] = new(2, "0002_b.sql", "create table b (x int)");
        await CatalogSchema.MigrateAsync(database, files, CancellationToken.None);
        await ExecuteAsync(source, "insert into a select 1; insert into b select 1");
    }

    [Fact]
    public async Task Migrate_NoServer_IsTransient()
    {
        await using var source = NpgsqlDataSource.Create("Host=127.0.0.1;Port=1;Username=x;Timeout=2");
        (await RefusalAsync(new CatalogDatabase(source))).IsTransient.ShouldBeTrue();
    }

    private static Task<CatalogException> RefusalAsync(CatalogDatabase database) =>
        Should.ThrowAsync<CatalogException>(() => CatalogSchema.MigrateAsync(database, CancellationToken.None));

    private static async Task ExecuteAsync(NpgsqlDataSource source, string sql)
    {
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }
}
