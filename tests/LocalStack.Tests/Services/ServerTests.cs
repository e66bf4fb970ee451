using System.Net;
using Backup.LocalStack.Services;
using Backup.Services.Testing;
using Npgsql;
using Shouldly;

[assembly: AssemblyFixture(typeof(PostgresFixture))]
[assembly: AssemblyFixture(typeof(AzuriteFixture))]

namespace Backup.LocalStack.Tests.Services;

public sealed class ServerTests(PostgresFixture postgres, AzuriteFixture azurite)
{
    [Fact]
    public async Task Postgres_KilledAndStartedAgain_KeepsCommittedRowsAndPort()
    {
        using var scratch = new ScratchFolder("pgkill");
        await using var server = await PostgresServer.StartAsync(await LocalPackages.InstallAsync(), new PostgresOptions("victim", scratch.Path) { Durable = false });
        var port = server.Port;
        await ExecuteAsync(server.ConnectionString(), "CREATE TABLE t AS SELECT generate_series(1, 1000) AS i");

        await server.KillAsync();
        await server.StartAgainAsync();

        server.Port.ShouldBe(port);
        (await ScalarAsync(server.ConnectionString(), "SELECT count(*) FROM t")).ShouldBe(1000L);
        (await ScalarAsync(server.ConnectionString(), "SHOW data_checksums")).ShouldBe("on");
    }

    [Fact]
    public async Task Postgres_FolderOfAnEarlierServer_IsContinued()
    {
        using var scratch = new ScratchFolder("pgtwice");
        var options = new PostgresOptions("twice", scratch.Path) { Durable = false };
        await using (var first = await PostgresServer.StartAsync(await LocalPackages.InstallAsync(), options))
        {
            await ExecuteAsync(first.ConnectionString(), "CREATE TABLE t AS SELECT 42 AS i");
        }

        await using var second = await PostgresServer.StartAsync(await LocalPackages.InstallAsync(), options);
        (await ScalarAsync(second.ConnectionString(), "SELECT i FROM t")).ShouldBe(42);
    }

    [Fact]
    public async Task Postgres_WrongPassword_IsRefused()
    {
        var wrong = new NpgsqlConnectionStringBuilder(postgres.Server.ConnectionString()) { Password = "guess" };
        var error = await Should.ThrowAsync<PostgresException>(() => ScalarAsync(wrong.ConnectionString, "SELECT 1"));
        error.SqlState.ShouldBe(PostgresErrorCodes.InvalidPassword);
    }

    [Fact]
    public async Task Postgres_PortTaken_FailsWithItsLastLines()
    {
        using var scratch = new ScratchFolder("pgport");
        var options = new PostgresOptions("late", scratch.Path) { Durable = false, Port = postgres.Server.Port };
        var error = await Should.ThrowAsync<LocalStackException>(async () => await PostgresServer.StartAsync(await LocalPackages.InstallAsync(), options));
        error.Fault.ShouldBe(LocalStackFault.ChildFailed);
        error.Message.ShouldContain("could not bind IPv4 address \"127.0.0.1\"");
    }

    [Fact]
    public async Task CreateDatabase_Twice_GivesTwoEmptyDatabases()
    {
        var one = await postgres.CreateDatabaseAsync();
        var two = await postgres.CreateDatabaseAsync();
        await ExecuteAsync(one, "CREATE TABLE only_here (i int)");
        (await ScalarAsync(two, "SELECT count(*) FROM pg_class WHERE relname = 'only_here'")).ShouldBe(0L);
    }

    [Fact]
    public async Task Azurite_AnonymousRequest_IsRefused()
    {
        using var http = new HttpClient();
        using var answer = await http.GetAsync($"{azurite.BlobEndpoint}/missing/blob");
        answer.StatusCode.ShouldBeOneOf(HttpStatusCode.Forbidden, HttpStatusCode.NotFound, HttpStatusCode.Unauthorized);
    }

    private static async Task ExecuteAsync(string connectionString, string sql) => await ScalarAsync(connectionString, sql);

    private static async Task<object?> ScalarAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString + ";Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }
}
