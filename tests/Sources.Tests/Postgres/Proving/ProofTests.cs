using Backup.LocalStack.Services;
using Backup.Services.Testing;
using Backup.Sources.Postgres;
using Backup.Sources.Postgres.Format;
using Backup.Sources.Postgres.Proving;
using Backup.Vault;
using Npgsql;
using Shouldly;

namespace Backup.Sources.Tests.Postgres.Proving;

/// <summary>Restored clusters are proven, and planted faults are found.</summary>
[Collection(nameof(ClusterFixture))]
public sealed class ProofTests(ClusterFixture cluster)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Run_SoundRestore_ComparesEveryTableAndEveryIndexAndEveryPage(bool isStreamed)
    {
        var database = isStreamed ? "proof_streamed" : "proof_sound";
        await MakeDatabaseAsync(database);
        var backup = await cluster.BackupAsync(cluster.Request(cluster.Server.ConnectionString(database)) with { Streamed = isStreamed });
        backup.Problems.ShouldAllBe(problem => !problem.MakesPartial);
        var data = await RestoreAsync(backup.SnapshotId);

        var report = await ProveAsync(backup.SnapshotId, data, new ProofCheck { Name = "stars", Database = database, Sql = "SELECT count(*) FROM stars", Expect = "5000" },
            new ProofCheck { Name = "any", Database = database, Sql = "SELECT exists (SELECT FROM stars WHERE n = 17)" });

        report.Findings.ShouldBeEmpty();
        report.IsProven.ShouldBeTrue();
        report.Content.TablesEqual.ShouldBeGreaterThanOrEqualTo(3, report.Content.ToString());
        report.Content.RowsCompared.ShouldBeGreaterThanOrEqualTo(5000);
        report.Content.TablesSampled.ShouldBe(0);
        report.IndexesChecked.ShouldNotBeNull().ShouldBeGreaterThan(100);
        report.PagesChecked.ShouldNotBeNull().ShouldBeGreaterThan(1000);
        report.Checks.Select(check => (check.Name, check.Passed, check.Answer)).ShouldBe([("stars", true, "5000"), ("any", true, "true")]);
        report.ConsistentAt.ShouldNotBeNull().ShouldBeInRange(report.StartedAt, report.CheckedAt);
        report.Durations.Keys.ShouldBe(Enum.GetValues<ProofStep>(), ignoreOrder: true);

        // It was started and stopped, and is as good as before: proven once more it says the same. What the check left behind is nothing.
        (await ProveAsync(backup.SnapshotId, data)).Findings.ShouldBeEmpty();
        await using var server = await StartAsync(data);
        (await ClusterFixture.AskAsync<long>(server.ConnectionString(database), "SELECT (SELECT count(*) FROM pg_extension WHERE extname = 'amcheck') + (SELECT count(*) FROM pg_roles WHERE rolname = 'backup_prover')")).ShouldBe(0);
    }

    [Fact]
    public async Task Run_TablesWrittenDuringTheBackup_AreKnownAndTheOthersCompared()
    {
        await MakeDatabaseAsync("proof_busy");
        var connection = cluster.Server.ConnectionString("proof_busy");
        await ClusterFixture.ExecuteAsync(connection, "CREATE TABLE held (n int)", "CREATE TABLE altered (n int)", "CREATE TABLE dropped (n int)", "CREATE TABLE rewritten AS SELECT 1 AS n", "CREATE TABLE late (n int)");
        await using var open = new NpgsqlConnection(connection + ";Pooling=false");
        await open.OpenAsync(Cancel);
        await using var begin = new NpgsqlCommand("BEGIN; INSERT INTO held SELECT generate_series(1, 10)", open);
        await begin.ExecuteNonQueryAsync(Cancel);
        var record = await new ContentRecorder(connection, 16, TimeProvider.System).RunAsync(Cancel);
        record.Databases.Single(database => database.Name == "proof_busy").TablesBusy.ShouldBe(1);

        Task? changes = null;
        var backup = await cluster.BackupAsync(cluster.Request(connection), new AtPhase(TransferPhase.Copying, () => changes = Task.Run(ChangeAsync, Cancel)));

        await changes.ShouldNotBeNull();
        var report = await ProveAsync(backup.SnapshotId, await RestoreAsync(backup.SnapshotId));
        report.Findings.ShouldBeEmpty();
        report.Content.TablesEqual.ShouldBeGreaterThanOrEqualTo(3);

        // Falls before, into or behind the record and the end of the backup, as it happens: nothing of it may look like damage.
        async Task ChangeAsync()
        {
            await ClusterFixture.ExecuteAsync(connection, "INSERT INTO late VALUES (1)", "ALTER TABLE altered ADD COLUMN m int DEFAULT 7", "DROP TABLE dropped", "VACUUM FULL rewritten", "DELETE FROM rewritten");
            await using var commit = new NpgsqlCommand("COMMIT", open);
            await commit.ExecuteNonQueryAsync(Cancel);
        }
    }

    [Fact]
    public async Task Run_MissingRow_WrongRowAndMissingTable_AreFound()
    {
        await MakeDatabaseAsync("proof_rows");
        var backup = await cluster.BackupAsync(cluster.Request(cluster.Server.ConnectionString("proof_rows")));
        var data = await RestoreAsync(backup.SnapshotId);
        await using (var server = await StartAsync(data))
        {
            await ClusterFixture.ExecuteAsync(
                server.ConnectionString("proof_rows"), "DELETE FROM stars WHERE n = 4711", "UPDATE \"Odd Näme\".\"o\"\"dd\" SET v = v + 1 WHERE n = 1", "DROP TABLE dull");
            await server.StopAsync();
        }

        var report = await ProveAsync(backup.SnapshotId, data);

        report.IsProven.ShouldBeFalse();
        var found = report.Findings.Where(finding => finding.Step == ProofStep.Content).Select(finding => finding.Text).ToList();
        found.ShouldContain("proof_rows: public.stars has 4999 rows where 5000 were recorded");
        found.ShouldContain(text => text.StartsWith("proof_rows: Odd Näme.o\"dd has other rows than were recorded", StringComparison.Ordinal));
        found.ShouldContain("proof_rows: public.dull is missing");
        found.Count.ShouldBe(3);
    }

    [Fact]
    public async Task Run_FlippedPageAndBrokenIndex_AreFound()
    {
        await MakeDatabaseAsync("proof_pages");
        var connection = cluster.Server.ConnectionString("proof_pages");
        var heap = await ClusterFixture.AskAsync<string>(connection, "SELECT pg_relation_filepath('dull')");
        var index = await ClusterFixture.AskAsync<string>(connection, "SELECT pg_relation_filepath('stars_value')");
        var backup = await cluster.BackupAsync(cluster.Request(connection));
        var data = await RestoreAsync(backup.SnapshotId);
        FlipByte(Path.Combine(data, heap), 8192 + 5000);
        // An index that lacks entries: its pages are sound, its content is not. Its first leaf is made an empty one.
        EmptyLeaf(Path.Combine(data, index), 1);

        var report = await ProveAsync(backup.SnapshotId, data);

        report.Findings.ShouldContain(finding => finding.Step == ProofStep.Pages && finding.Text == $"{heap}: the checksum of block 1 is wrong");
        report.Findings.ShouldContain(finding => finding.Step == ProofStep.Content && finding.Text.Contains("public.dull cannot be read", StringComparison.Ordinal));
        report.Findings.ShouldContain(finding => finding.Step == ProofStep.Indexes && finding.Text.Contains("stars_value", StringComparison.Ordinal));
        report.Findings.Count(finding => finding.Step == ProofStep.Pages).ShouldBe(1);
    }

    /// <summary>PostgreSQL itself would refuse the next start: "WAL ends before end of online backup".</summary>
    [Fact]
    public async Task Run_AfterAStartThatWasKilledWithinTheBackupsLog_GoesOn()
    {
        await MakeDatabaseAsync("proof_killed");
        var connection = cluster.Server.ConnectionString("proof_killed");
        var backup = await cluster.BackupAsync(
            cluster.Request(connection), new AtPhase(TransferPhase.Copying, () => ClusterFixture.ExecuteAsync(connection, "CREATE TABLE later ()", "SELECT pg_switch_wal()").GetAwaiter().GetResult()));
        var point = backup.ConsistencyPoint.ShouldNotBeNull();
        point.LastWalFile.ShouldNotBe(point.FirstWalFile);
        var data = await RestoreAsync(backup.SnapshotId);
        await KillWhereLogIsWantedAsync(data, point.LastWalFile);

        var report = await ProveAsync(backup.SnapshotId, data);

        report.Findings.ShouldBeEmpty();
        report.IsProven.ShouldBeTrue();
        (await ProveAsync(backup.SnapshotId, data)).Findings.ShouldBeEmpty();
    }

    /// <summary>A published catalogue is often read-only by its own setting, and a DROP DATABASE that was interrupted leaves one that nobody can enter.</summary>
    [Fact]
    public async Task Run_DatabasesWithSettingsOfTheirOwnOrInvalid_AreNoFindings()
    {
        await MakeDatabaseAsync("proof_settings");
        await cluster.Server.CreateDatabaseAsync("proof_invalid");
        await ClusterFixture.ExecuteAsync(
            cluster.Server.ConnectionString(), "ALTER DATABASE proof_settings SET default_transaction_read_only = on", "ALTER DATABASE proof_settings SET statement_timeout = '1h'",
            "UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'proof_invalid'");
        var backup = await cluster.BackupAsync(cluster.Request());
        await ClusterFixture.ExecuteAsync(cluster.Server.ConnectionString(), "DROP DATABASE proof_invalid");
        backup.Problems.ShouldBeEmpty();

        var report = await ProveAsync(backup.SnapshotId, await RestoreAsync(backup.SnapshotId), new ProofCheck { Name = "limit", Database = "proof_settings", Sql = "SELECT current_setting('statement_timeout')", Expect = "0" });

        report.Findings.ShouldBeEmpty();
        report.Content.Note.ShouldBeNull();
        report.IndexesChecked.ShouldNotBeNull().ShouldBeGreaterThan(100);
    }

    [Fact]
    public void Sweep_FileThatCannotBeRead_IsNamedAndTheOthersAreChecked()
    {
        using var scratch = new ScratchFolder("sweep");
        foreach (var folder in (string[])["global", "base/5", "pg_tblspc"])
            Directory.CreateDirectory(scratch.Combine(folder));
        File.CreateSymbolicLink(scratch.Combine("base/5/16384"), "/nowhere/at/all");
        File.WriteAllBytes(scratch.Combine("base/5/16385"), new byte[8192 + 100]);
        var found = new System.Collections.Concurrent.ConcurrentBag<string>();

        PageSweep.Run(scratch.Path, found.Add, Cancel).ShouldBe(0);

        found.Count.ShouldBe(2);
        found.ShouldContain(text => text.StartsWith("base/5/16384: cannot be read", StringComparison.Ordinal));
        found.ShouldContain("base/5/16385: ends within block 1");
    }

    /// <summary>It has no role that may read everything: one is given what it takes, and everything is taken away again.</summary>
    [Fact]
    public async Task Run_ChecksOnTheOldestVersion_MayReadEverythingAndNothingElse()
    {
        await using var bench = await Wal.WalBench.StartAsync(Wal.WalBench.OldestPrograms);
        await ClusterFixture.ExecuteAsync(
            bench.Database, "CREATE SCHEMA \"odd %I one\"", "CREATE TABLE \"odd %I one\".stars AS SELECT n FROM generate_series(1, 500) n", "REVOKE ALL ON \"odd %I one\".stars FROM PUBLIC", "CREATE SEQUENCE counter",
            "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not on Fridays'; END $$", "CREATE EVENT TRIGGER fridays ON ddl_command_start EXECUTE FUNCTION refuse()");
        var data = Path.Combine(await bench.RestoreAsync((await bench.BackUpAsync()).SnapshotId), "data");
        var programs = await OldestPostgres.InstallAsync(Cancel);
        ProofCheck Check(string name, string sql, string? expect = null) => new() { Name = name, Database = new NpgsqlConnectionStringBuilder(bench.Database).Database!, Sql = sql, Expect = expect };

        foreach (var round in (int[])[1, 2])
        {
            var snapshot = (await (await bench.OpenAsync()).ListSnapshotsAsync(Cancel)).ShouldHaveSingleItem().Id;
            var report = await new PostgresProof(TimeProvider.System).RunAsync(await bench.OpenAsync(), snapshot, new ProofRequest
            {
                DataDirectory = data,
                Programs = programs,
                Checks =
                [
                    Check("stars", "SELECT count(*) FROM \"odd %I one\".stars", "500"),
                    Check("sequence", "SELECT last_value FROM counter", "1"),
                    Check("writes", "DELETE FROM \"odd %I one\".stars RETURNING 1"),
                    Check("file", "SELECT pg_read_file('PG_VERSION')"),
                    Check("nowhere", "SELECT 1") with { Database = "nowhere" },
                ],
            }, null, Cancel);
            report.Checks.Where(check => check.Passed).Select(check => check.Name).ShouldBe(["stars", "sequence"], $"round {round}");
            report.Content.TablesEqual.ShouldBe(2);
        }

        await using var server = await bench.StartRestoredAsync(Path.GetDirectoryName(data)!);
        (await ClusterFixture.AskAsync<long>(server.ConnectionString(), "SELECT (SELECT count(*) FROM pg_class WHERE relacl::text LIKE '%backup_prover%') + (SELECT count(*) FROM pg_roles WHERE rolname = 'backup_prover')")).ShouldBe(0);
        await server.StopAsync();
    }

    [Fact]
    public async Task Run_ChecksThatHangFailWriteOrEscape_AreFindings()
    {
        await MakeDatabaseAsync("proof_checks");
        var backup = await cluster.BackupAsync(cluster.Request(cluster.Server.ConnectionString("proof_checks")));
        ProofCheck Check(string name, string sql, string? expect = null) => new() { Name = name, Database = "proof_checks", Sql = sql, Expect = expect, TimeLimit = TimeSpan.FromSeconds(2) };

        var report = await ProveAsync(
            backup.SnapshotId, await RestoreAsync(backup.SnapshotId),
            Check("hangs", "SELECT pg_sleep(600)"),
            Check("wrong", "SELECT count(*) FROM stars", "1"),
            Check("null", "SELECT NULL::int"),
            Check("none", "SELECT 1 WHERE false", "no row"),
            Check("false", "SELECT false"),
            Check("writes", "DELETE FROM stars RETURNING 1"),
            Check("two", "COMMIT; SELECT 1"),
            Check("program", "DO $$ BEGIN EXECUTE 'RESET ROLE'; EXECUTE 'COPY (SELECT 1) TO PROGRAM ''cat > /dev/null'''; END $$"),
            Check("file", "SELECT pg_read_file('PG_VERSION')"),
            Check("fine", "SELECT 1.5", "1.5"));

        report.Checks.Where(check => check.Passed).Select(check => check.Name).ShouldBe(["fine"]);
        report.Checks[0].Answer.ShouldBe("no answer within 2 s");
        report.Checks[0].Duration.ShouldBeLessThan(TimeSpan.FromSeconds(60));
        report.Checks[1].Answer.ShouldBe("5000");
        report.Checks[7].Answer.ShouldContain("permission denied");
        report.Findings.Count.ShouldBe(9);
        report.PagesChecked.ShouldNotBeNull().ShouldBeGreaterThan(1000);
    }

    [Fact]
    public async Task Run_ServerThatDoesNotStart_SaysWhatTheServerSaid()
    {
        var backup = await cluster.BackupAsync();
        var data = await RestoreAsync(backup.SnapshotId);
        Directory.Delete(Path.Combine(data, "pg_xact"), recursive: true);

        var report = await ProveAsync(backup.SnapshotId, data);

        report.ConsistentAt.ShouldBeNull();
        report.Findings.ShouldHaveSingleItem().Step.ShouldBe(ProofStep.Start);
        report.Findings[0].Text.ShouldContain("pg_xact");
    }

    [Fact]
    public async Task Run_ConfigurationOfProduction_ReachesNobody()
    {
        await MakeDatabaseAsync("proof_isolated");
        var backup = await cluster.BackupAsync();
        var data = await RestoreAsync(backup.SnapshotId);
        var mark = Path.Combine(Path.GetDirectoryName(data)!, "archived");
        File.AppendAllText(Path.Combine(data, "postgresql.auto.conf"), $"archive_mode = on\narchive_command = 'touch {mark}'\nlisten_addresses = '*'\nshared_buffers = '900GB'\nshared_preload_libraries = 'not_here'\n");

        var report = await ProveAsync(backup.SnapshotId, data,
            new ProofCheck { Name = "deaf", Database = "proof_isolated", Sql = "SELECT current_setting('listen_addresses') || current_setting('archive_mode')", Expect = "off" });

        report.Findings.ShouldBeEmpty();
        File.Exists(mark).ShouldBeFalse();
    }

    [Fact]
    public async Task Run_StandbyOrNoClusterOrNoProgram_IsRefused()
    {
        var backup = await cluster.BackupAsync();
        var data = await RestoreAsync(backup.SnapshotId);
        (await Should.ThrowAsync<SourcesException>(() => ProveAsync(backup.SnapshotId, Path.GetDirectoryName(data)!))).Fault.ShouldBe(SourcesFault.PathMissing);
        (await Should.ThrowAsync<SourcesException>(() => new PostgresProof(TimeProvider.System).RunAsync(cluster.Vault, backup.SnapshotId, new ProofRequest { DataDirectory = data, Programs = "/nowhere" }, null, Cancel)))
            .Fault.ShouldBe(SourcesFault.ServerUnsuitable);
        if (Directory.Exists(Wal.WalBench.DebianPrograms))
        {
            // Another version's server refuses the directory itself, and says why.
            var other = await new PostgresProof(TimeProvider.System).RunAsync(cluster.Vault, backup.SnapshotId, new ProofRequest { DataDirectory = data, Programs = Wal.WalBench.DebianPrograms }, null, Cancel);
            other.IsProven.ShouldBeFalse();
            other.Findings.ShouldHaveSingleItem().Text.ShouldContain("did not start");
        }

        File.WriteAllText(Path.Combine(data, "standby.signal"), "");
        (await Should.ThrowAsync<SourcesException>(() => ProveAsync(backup.SnapshotId, data))).Fault.ShouldBe(SourcesFault.ServerUnsuitable);
    }

    [Fact]
    public async Task Record_LargeTable_IsReadInParts()
    {
        await cluster.Server.CreateDatabaseAsync("proof_sampled");
        var connection = cluster.Server.ConnectionString("proof_sampled");
        await ClusterFixture.ExecuteAsync(connection, "CREATE TABLE wide AS SELECT n, repeat('x', 900) AS filler FROM generate_series(1, 12000) n");
        var backup = await cluster.BackupAsync(cluster.Request(connection) with { RecordMebibytes = 2 });
        var data = await RestoreAsync(backup.SnapshotId);

        var report = await ProveAsync(backup.SnapshotId, data);

        report.Findings.ShouldBeEmpty();
        report.Content.TablesSampled.ShouldBeGreaterThanOrEqualTo(1);
        await using (var server = await StartAsync(data))
        {
            // The last row is in the part at the end.
            await ClusterFixture.ExecuteAsync(server.ConnectionString("proof_sampled"), "UPDATE wide SET n = 0 WHERE n = 12000");
            await server.StopAsync();
        }

        (await ProveAsync(backup.SnapshotId, data)).Findings.ShouldHaveSingleItem().Text.ShouldContain("public.wide");
    }

    [Theory]
    [InlineData(100, 2048, 0)]
    [InlineData(2048, 2048, 0)]
    [InlineData(2049, 2048, 16)]
    [InlineData(1_000_000, 2048, 16)]
    [InlineData(300, 1, 2)]
    public void Sample_OfBlocks_CoversBothEndsWithoutOverlap(long total, long max, int runs)
    {
        var sample = BlockSample.Of(total, max);
        (sample?.Count ?? 0).ShouldBe(runs);
        if (sample is null)
            return;
        sample[0][0].ShouldBe(0);
        sample[^1][1].ShouldBe(total);
        sample.ShouldAllBe(range => range[1] - range[0] == BlockSample.RunBlocks);
    }

    private async Task MakeDatabaseAsync(string name)
    {
        await cluster.Server.CreateDatabaseAsync(name);
        await ClusterFixture.ExecuteAsync(
            cluster.Server.ConnectionString(name),
            "CREATE TABLE stars AS SELECT n, md5(n::text) AS text, n * 0.5 AS value, now() AS seen FROM generate_series(1, 5000) n",
            "CREATE INDEX stars_value ON stars (value)",
            "CREATE SCHEMA \"Odd Näme\"",
            "CREATE TABLE \"Odd Näme\".\"o\"\"dd\" AS SELECT n, n AS v, interval '1 day' * n AS i, '\\xff00'::bytea AS b FROM generate_series(1, 10) n",
            "CREATE TABLE dull AS SELECT n, repeat('d', 500) AS filler FROM generate_series(1, 100) n",
            "CREATE UNLOGGED TABLE scratch AS SELECT 1 AS n",
            // Else the first reader notes on each page who is committed, and the log holds the whole page again.
            "VACUUM FREEZE",
            "CHECKPOINT");
    }

    private async Task<string> RestoreAsync(SnapshotId snapshot)
    {
        var data = Path.Combine(cluster.NewFolder(), "data");
        await cluster.RestoreAsync(snapshot, data, cancel: Cancel);
        return data;
    }

    /// <summary>Starts a server that waits for ever for a file of log, and kills it once it has used up the backup's label.</summary>
    private async Task KillWhereLogIsWantedAsync(string data, string file)
    {
        var program = Path.Combine((await LocalPackages.InstallAsync(cancel: Cancel)).PostgresPrograms, "postgres");
        var signal = Path.Combine(data, "recovery.signal");
        await File.WriteAllTextAsync(signal, "", Cancel);
        cluster.Server.Account?.TakeOwnership(signal);
        var owner = cluster.Server.Account is { } account ? ((uint)account.User, (uint)account.Group) : ((uint, uint)?)null;
        string[] words =
        [
            .. RunAs.Prefix(owner, [program, data]), program, "-D", data, "-c", "listen_addresses=", "-c", $"unix_socket_directories={Path.GetDirectoryName(data)}",
            "-c", "max_prepared_transactions=4", "-c", $"restore_command=case %f in {file}) sleep 1000;; esac; false",
        ];
        var start = new System.Diagnostics.ProcessStartInfo(words[0], words[1..]) { WorkingDirectory = "/", RedirectStandardError = true };
        // Whoever starts it must outlive it: it dies with the thread.
        var killed = Task.Factory.StartNew(
            () =>
            {
                using var server = System.Diagnostics.Process.Start(start)!;
                var since = System.Diagnostics.Stopwatch.StartNew();
                while (File.Exists(Path.Combine(data, "backup_label")) && !server.HasExited && since.Elapsed < TimeSpan.FromSeconds(60))
                    Thread.Yield();
                server.HasExited.ShouldBeFalse();
                server.Kill(entireProcessTree: true);
                server.WaitForExit();
            },
            Cancel, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await killed;
        File.Exists(Path.Combine(data, "backup_label")).ShouldBeFalse();
        File.Delete(signal);
    }

    private Task<PostgresServer> StartAsync(string data) => cluster.StartRestoredAsync(Path.GetDirectoryName(data)!);

    private async Task<ProofReport> ProveAsync(SnapshotId snapshot, string data, params ProofCheck[] checks) =>
        await new PostgresProof(TimeProvider.System).RunAsync(
            cluster.Vault, snapshot, new ProofRequest { DataDirectory = data, Programs = (await LocalPackages.InstallAsync(cancel: Cancel)).PostgresPrograms, Checks = checks }, null, Cancel);

    private static void FlipByte(string file, long offset)
    {
        using var stream = new FileStream(file, FileMode.Open);
        stream.Position = offset;
        var value = stream.ReadByte();
        stream.Position = offset;
        stream.WriteByte((byte)(value ^ 0x40));
    }

    /// <summary>Takes all line pointers of an index page away and gives it a right checksum.</summary>
    private static void EmptyLeaf(string file, uint block)
    {
        using var stream = new FileStream(file, FileMode.Open);
        var page = new byte[PageChecksum.PageBytes];
        stream.Position = block * PageChecksum.PageBytes;
        stream.ReadExactly(page);
        BitConverter.TryWriteBytes(page.AsSpan(12), (ushort)28).ShouldBeTrue();
        BitConverter.TryWriteBytes(page.AsSpan(8), PageChecksum.Compute(page, block)).ShouldBeTrue();
        stream.Position = block * PageChecksum.PageBytes;
        stream.Write(page);
    }
}
