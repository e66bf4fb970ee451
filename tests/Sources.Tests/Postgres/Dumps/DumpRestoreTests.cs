using Backup.Sources.Postgres.Dumps;
using Backup.Sources.Tests.Postgres.Wal;
using Backup.Vault;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;
using Npgsql;
using Shouldly;

namespace Backup.Sources.Tests.Postgres.Dumps;

/// <summary>Dumps that go back into a running server, of the version that this machine has client programs for.</summary>
public sealed class DumpRestoreTests
{
    private const string Odd = "odd ='\"näme";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Restore_OfALostDatabaseAndItsRole_BringsBothBackAsTheyWere()
    {
        await using var bench = await WalBench.StartAsync(WalBench.DebianPrograms);
        await ClusterFixture.ExecuteAsync(
            bench.Database, "CREATE ROLE \"o'br ien\"", "ALTER ROLE \"o'br ien\" SET work_mem = '9MB'", "CREATE ROLE kept LOGIN CONNECTION LIMIT 3",
            $"CREATE DATABASE {Quoted(Odd)} OWNER \"o'br ien\" ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
        await ClusterFixture.ExecuteAsync(
            In(bench, Odd), "CREATE TABLE stars AS SELECT n, md5(n::text) || 'ä' AS name FROM generate_series(1, 20000) n", "ALTER TABLE stars OWNER TO \"o'br ien\"", "GRANT SELECT ON stars TO kept",
            "SELECT lo_from_bytea(4711, '\\x0102')");
        var hash = await ClusterFixture.ContentHashAsync(In(bench, Odd), "stars");
        var dump = await DumpAsync(bench);
        await ClusterFixture.ExecuteAsync(bench.Database, $"DROP DATABASE {Quoted(Odd)}", "DROP ROLE \"o'br ien\"", "ALTER ROLE kept CONNECTION LIMIT 5");

        var request = Request(bench) with { Database = Odd, Create = true, Globals = true };
        var (plan, outcome) = await RestoreAsync(bench, dump, request);

        plan.IsMissing.ShouldBeTrue();
        outcome.ErrorsTotal.ShouldBe(0);
        outcome.GlobalsKept.ShouldContain("kept");
        (await ClusterFixture.ContentHashAsync(In(bench, Odd), "stars")).ShouldBe(hash);
        (await ClusterFixture.AskAsync<string>(In(bench, Odd), "SELECT pg_encoding_to_char(encoding) || ' ' || datcollate || ' ' || pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()")).ShouldBe("LATIN1 C o'br ien");
        (await ClusterFixture.AskAsync<string>(In(bench, Odd), "SELECT array_to_string(rolconfig, ',') FROM pg_roles WHERE rolname = 'o''br ien'")).ShouldBe("work_mem=9MB");
        (await ClusterFixture.AskAsync<bool>(In(bench, Odd), "SELECT has_table_privilege('kept', 'stars', 'SELECT') AND (SELECT tableowner FROM pg_tables WHERE tablename = 'stars') = 'o''br ien'")).ShouldBeTrue();
        (await ClusterFixture.AskAsync<byte[]>(In(bench, Odd), "SELECT lo_get(4711)")).ShouldBe([1, 2]);
        // What was there is as it was, and not as it was dumped.
        (await ClusterFixture.AskAsync<int>(bench.Database, "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'kept'")).ShouldBe(5);
    }

    [Fact]
    public async Task Restore_IntoADatabaseThatHoldsSomething_IsRefusedUnlessToldTo()
    {
        await using var bench = await WalBench.StartAsync(WalBench.DebianPrograms);
        await ClusterFixture.ExecuteAsync(bench.Database, "CREATE DATABASE a", "CREATE DATABASE b");
        await ClusterFixture.ExecuteAsync(In(bench, "a"), "CREATE TABLE t AS SELECT 1 AS n");
        await ClusterFixture.ExecuteAsync(In(bench, "b"), "CREATE TABLE t AS SELECT 2 AS n", "CREATE FUNCTION other() RETURNS int LANGUAGE sql RETURN 3");
        var dump = await DumpAsync(bench);

        (await FailAsync(bench, dump, Request(bench))).Message.ShouldContain("The dump holds \"a\", \"b\", \"postgres\".");
        (await FailAsync(bench, dump, Request(bench) with { Database = "c" })).Fault.ShouldBe(SourcesFault.PathMissing);
        var missing = await FailAsync(bench, dump, Request(bench) with { Database = "a", Into = "nowhere" });
        missing.Fault.ShouldBe(SourcesFault.PathMissing);
        missing.Message.ShouldContain("The server has no database \"nowhere\".");
        var held = await FailAsync(bench, dump, Request(bench) with { Database = "a", Into = "b", Create = true });
        held.Fault.ShouldBe(SourcesFault.TargetNotEmpty);
        held.Message.ShouldContain("it holds public.t and 1 more");
        var plan = await PlanAsync(bench, dump, Request(bench) with { Database = "a", Into = "b", Overwrite = true });
        plan.Holds.ShouldBe("public.t and 1 more");
        (await ClusterFixture.AskAsync<int>(In(bench, "b"), "SELECT n FROM t")).ShouldBe(2, "a plan changes nothing");

        await RestoreAsync(bench, dump, Request(bench) with { Database = "a", Into = "b", Overwrite = true });
        (await ClusterFixture.AskAsync<int>(In(bench, "b"), "SELECT n FROM t")).ShouldBe(1);
        (await ClusterFixture.AskAsync<int>(In(bench, "b"), "SELECT other()")).ShouldBe(3);
        // One that is named by the connection string itself, and was dropped.
        await ClusterFixture.ExecuteAsync(bench.Database, "DROP DATABASE a");
        await RestoreAsync(bench, dump, Request(bench) with { ConnectionString = In(bench, "a"), Database = "a", Create = true });
        (await ClusterFixture.AskAsync<int>(In(bench, "a"), "SELECT n FROM t")).ShouldBe(1);
    }

    [Fact]
    public async Task Restore_ThatFailsMidway_SaysWhyAndWhatIsLeft()
    {
        await using var bench = await WalBench.StartAsync(WalBench.DebianPrograms);
        await ClusterFixture.ExecuteAsync(bench.Database, "CREATE ROLE gone", "CREATE DATABASE a");
        await ClusterFixture.ExecuteAsync(
            In(bench, "a"), "CREATE TABLE first AS SELECT 1 AS n", "CREATE TABLE second AS SELECT 2 AS n", "ALTER TABLE second OWNER TO gone", "CREATE EXTENSION IF NOT EXISTS postgres_fdw",
            "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw", "CREATE USER MAPPING FOR gone SERVER far OPTIONS (user 'u', password 'hush')");
        var dump = await DumpAsync(bench, "a");
        await ClusterFixture.ExecuteAsync(In(bench, "a"), "DROP OWNED BY gone", "DROP ROLE gone");
        await ClusterFixture.ExecuteAsync(bench.Database, "CREATE DATABASE there");

        var failure = await FailAsync(bench, dump, Request(bench) with { Into = "made", Create = true });
        failure.Fault.ShouldBe(SourcesFault.RestoreRefused);
        failure.Message.ShouldContain("role \"gone\" does not exist");
        failure.Message.ShouldContain("Database \"made\", which was made for it, is removed again.");
        failure.Message.ShouldNotContain("hush");
        (await ClusterFixture.AskAsync<bool>(bench.Database, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'made')")).ShouldBeFalse();

        (await FailAsync(bench, dump, Request(bench) with { Into = "there" })).Message.ShouldContain("Database \"there\" is as it was before");
        (await ClusterFixture.AskAsync<long>(In(bench, "there"), "SELECT count(*) FROM pg_class WHERE relname IN ('first', 'second')")).ShouldBe(0);

        var (_, outcome) = await RestoreAsync(bench, dump, Request(bench) with { Into = "there", KeepGoing = true });
        outcome.ErrorsTotal.ShouldBe(2);
        outcome.Errors.ShouldContain(line => line.Contains("role \"gone\" does not exist", StringComparison.Ordinal));
        outcome.Errors.ShouldNotContain(line => line.Contains("hush", StringComparison.Ordinal));
        (await ClusterFixture.AskAsync<int>(In(bench, "there"), "SELECT first.n + second.n FROM first, second")).ShouldBe(3);

        // With the globals the role comes again, and nothing is missing.
        (await RestoreAsync(bench, dump, Request(bench) with { Into = "whole", Create = true, Globals = true })).Outcome.ErrorsTotal.ShouldBe(0);
    }

    [Fact]
    public async Task Restore_FromADamagedVault_LeavesNothingBehind()
    {
        await using var bench = await WalBench.StartAsync(WalBench.DebianPrograms);
        await ClusterFixture.ExecuteAsync(bench.Database, "CREATE DATABASE a");
        // What does not shrink, so that its packs are not small.
        await ClusterFixture.ExecuteAsync(In(bench, "a"), "CREATE TABLE noise AS SELECT n, gen_random_uuid() AS a, gen_random_uuid() AS b FROM generate_series(1, 100000) n");
        var dump = await DumpAsync(bench, "a");
        var request = Request(bench) with { Into = "made", Create = true };
        var plan = await PlanAsync(bench, dump, request);
        foreach (var (_, bytes) in bench.Store.Objects.Where(stored => stored.Key.Kind == ObjectKind.DataPack))
            bytes[bytes.Length / 2] ^= 1;

        var failure = await Should.ThrowAsync<VaultException>(async () => await RunAsync(bench, dump, request, plan));
        failure.Fault.ShouldBe(VaultFault.Damaged);
        (await ClusterFixture.AskAsync<bool>(bench.Database, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'made')")).ShouldBeFalse();
    }

    [Fact]
    public void Missing_OfGlobals_LeavesOutWhatIsThere_AndNothingElse()
    {
        const string script =
            """
            --
            -- Roles: it's
            --
            \restrict x
            SET standard_conforming_strings = on;
            CREATE ROLE "a ""b"";";
            ALTER ROLE "a ""b"";" WITH LOGIN PASSWORD 'x;y';
            COMMENT ON ROLE c IS 'one;
            ALTER ROLE d WITH SUPERUSER;
            ''two''';
            CREATE ROLE d;
            ALTER ROLE d WITH PASSWORD 'it''s; --';
            ALTER ROLE dd WITH LOGIN;
            CREATE TABLESPACE fast OWNER d LOCATION '/fast';
            GRANT ALL ON TABLESPACE fast TO d;
            GRANT d TO dd;
            \unrestrict x
            """;
        var (some, kept) = DumpScript.Missing(System.Text.Encoding.UTF8.GetBytes(script), ["d", "a \"b\";"], null);
        kept.ShouldBe(["a \"b\";", "d"]);
        System.Text.Encoding.UTF8.GetString(some).Split('\n').ShouldBe(
            ["\\restrict x", "SET standard_conforming_strings = on;", "COMMENT ON ROLE c IS 'one;", "ALTER ROLE d WITH SUPERUSER;", "''two''';", "ALTER ROLE dd WITH LOGIN;", "GRANT d TO dd;", "\\unrestrict x", ""]);
        System.Text.Encoding.UTF8.GetString(DumpScript.Missing(System.Text.Encoding.UTF8.GetBytes(script), [], []).Script).ShouldContain("CREATE TABLESPACE fast");
    }

    private static string Quoted(string name) => '"' + name.Replace("\"", "\"\"", StringComparison.Ordinal) + '"';

    private static string In(WalBench bench, string database) => new NpgsqlConnectionStringBuilder(bench.Database) { Database = database }.ConnectionString;

    private static DumpRestoreRequest Request(WalBench bench) => new() { ConnectionString = bench.Database, Programs = WalBench.DebianPrograms };

    private static async Task<SnapshotInfo> DumpAsync(WalBench bench, params string[] databases)
    {
        var outcome = await new PostgresDumpSource(TimeProvider.System).BackupAsync(
            await bench.OpenForBackupAsync(), new PostgresDumpRequest { Asset = WalBench.Asset, ConnectionString = bench.Database, Databases = databases }, new WriterOptions(), null, Cancel);
        outcome.Problems.ShouldBeEmpty();
        return await (await bench.OpenAsync()).ReadSnapshotAsync(outcome.SnapshotId, Cancel);
    }

    private static async Task<DumpRestorePlan> PlanAsync(WalBench bench, SnapshotInfo dump, DumpRestoreRequest request) =>
        await DumpRestore.PlanAsync(await bench.OpenAsync(), dump, request, Cancel);

    private static async Task<DumpRestoreOutcome> RunAsync(WalBench bench, SnapshotInfo dump, DumpRestoreRequest request, DumpRestorePlan plan) =>
        await new DumpRestore(TimeProvider.System).RunAsync(await bench.OpenAsync(), dump, request, plan, null, Cancel);

    private static async Task<(DumpRestorePlan Plan, DumpRestoreOutcome Outcome)> RestoreAsync(WalBench bench, SnapshotInfo dump, DumpRestoreRequest request)
    {
        var plan = await PlanAsync(bench, dump, request);
        return (plan, await RunAsync(bench, dump, request, plan));
    }

    private static Task<SourcesException> FailAsync(WalBench bench, SnapshotInfo dump, DumpRestoreRequest request) =>
        Should.ThrowAsync<SourcesException>(() => RestoreAsync(bench, dump, request));
}
