using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Backup.LocalStack.Services;
using Backup.Services.Testing;
using Backup.Sources.Postgres;
using Backup.Sources.Postgres.Streaming;
using Backup.Sources.Tests.Postgres.Wal;
using Npgsql;
using Shouldly;

namespace Backup.Sources.Tests.Postgres.Streaming;

/// <summary>Backups whose files the server sends; <see cref="PostgresRoundTripTests"/> has them under load, with tablespaces.</summary>
public sealed class StreamedBackupTests
{
    [Theory]
    [InlineData(null)]
    [InlineData(WalBench.DebianPrograms)]
    [InlineData(WalBench.OldestPrograms)]
    public async Task Backup_AfterOneThatReadTheFiles_StoresOnlyWhatChangedAndStarts(string? programs)
    {
        await using var bench = await WalBench.StartAsync(programs);
        await ClusterFixture.ExecuteAsync(bench.Database, "INSERT INTO commits (filler) SELECT repeat(md5(n::text), 20) FROM generate_series(1, 20000) n", "VACUUM commits", "CHECKPOINT");
        var read = await bench.BackUpAsync();
        var commits = await bench.CountAsync();

        var sent = await bench.BackUpAsync(streamed: true);
        sent.Problems.ShouldAllBe(problem => !problem.MakesPartial);
        sent.ItemsTotal.ShouldBe(read.ItemsTotal);
        // New is what the checkpoint wrote, and the log: a file of it is zeros behind what was written.
        sent.Statistics.BytesNew.ShouldBeLessThan(read.Statistics.BytesNew / 4);

        var folder = await bench.RestoreAsync(sent.SnapshotId);
        await using var restored = await bench.StartRestoredAsync(folder);
        (await bench.CountAsync(restored.ConnectionString())).ShouldBe(commits);
        await restored.StopAsync();
        ClusterPages.CountDamaged(Path.Combine(folder, "data")).ShouldBe(0);
    }

    [Fact]
    public async Task Session_OverTls_IsBoundToTheServersCertificateAndChecksItAsAsked()
    {
        using var scratch = new ScratchFolder("pg-tls");
        var packages = await LocalPackages.InstallAsync();
        var (certificate, key) = (scratch.Combine("server.crt"), scratch.Combine("server.key"));
        using (var pair = RSA.Create(2048))
        {
            var request = new CertificateRequest("CN=database.example", pair, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
            using var made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
            await File.WriteAllTextAsync(certificate, made.ExportCertificatePem(), TestContext.Current.CancellationToken);
            await File.WriteAllTextAsync(key, pair.ExportPkcs8PrivateKeyPem(), TestContext.Current.CancellationToken);
        }

        File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        ServiceAccount.ForPostgres()?.TakeOwnership(key);
        ServiceAccount.ForPostgres()?.TakeOwnership(certificate);
        await using var server = await PostgresServer.StartAsync(packages, new PostgresOptions("PostgreSQL with TLS", scratch.Combine("server"))
        {
            Durable = false,
            Settings = new Dictionary<string, string> { ["ssl"] = "on", ["ssl_cert_file"] = certificate, ["ssl_key_file"] = key },
        });

        var ask = new NpgsqlConnectionStringBuilder(server.ConnectionString());
        foreach (var mode in new[] { SslMode.Require, SslMode.VerifyCA })
        {
            await using var session = await OpenAsync(mode, certificate);
            (await session.AskAsync("SHOW ssl", TestContext.Current.CancellationToken)).ShouldHaveSingleItem().ShouldBe(["on"]);
            session.LoginMechanism.ShouldBe("SCRAM-SHA-256-PLUS");
        }

        // The name does not fit, and then the authority is nobody's.
        (await Should.ThrowAsync<SourcesException>(() => OpenAsync(SslMode.VerifyFull, certificate))).Fault.ShouldBe(SourcesFault.ServerUnsuitable);
        (await Should.ThrowAsync<SourcesException>(() => OpenAsync(SslMode.VerifyCA, null))).Fault.ShouldBe(SourcesFault.ServerUnsuitable);

        Task<ReplicationSession> OpenAsync(SslMode mode, string? root)
        {
            ask.SslMode = mode;
            ask.RootCertificate = root;
            return ReplicationSession.OpenAsync(WireSettings.Parse(ask.ConnectionString), TestContext.Current.CancellationToken);
        }
    }

    [Theory]
    [InlineData("Host=/run/postgresql", false)]
    [InlineData("Host=localhost", false)]
    [InlineData("Host=127.0.0.1:5433", false)]
    [InlineData("Host=[::1]:5433", false)]
    [InlineData("Host=192.0.2.7", true)]
    [InlineData("Host=2001:db8::1", true)]
    [InlineData("Host=database.invalid", true)]
    public void IsElsewhere_ByTheHost_IsWhatAPersonExpects(string connection, bool expected) => WireSettings.IsElsewhere(connection + ";Username=x").ShouldBe(expected);
}
