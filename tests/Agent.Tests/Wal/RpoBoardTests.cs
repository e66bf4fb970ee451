using Backup.Agent.Settings;
using Backup.Agent.Wal;
using Backup.Sources.Postgres;
using Backup.Sources.Postgres.Wal;
using Microsoft.Extensions.Time.Testing;
using Shouldly;

namespace Backup.Agent.Tests.Wal;

public sealed class RpoBoardTests
{
    private static readonly DateTimeOffset Start = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly FakeTimeProvider _time = new(Start);
    private readonly RpoBoard _board;

    public RpoBoardTests() => _board = new RpoBoard(
        new AgentSettings
        {
            Name = "a",
            Site = "s",
            Relay = new RelaySettings { Endpoint = new Uri("sb://x"), Path = "p", KeyName = "k", KeyFile = "f" },
            StateFolder = "/",
            Vaults = new Dictionary<string, VaultSettings>(),
            ConnectionStringFiles = new Dictionary<string, string>(),
            AllowedSources = [],
            RestoreRoots = [],
            WalReceivers = [new WalSettings { Connection = "c", Vault = "v", Asset = "db" }],
        },
        _time);

    [Fact]
    public void Read_BeforeAnythingIsKnown_HasTheAssetWithoutAnAge() =>
        _board.Read().Readings.ShouldHaveSingleItem().ShouldBe(new AgentApi.RpoReading { Asset = "db" });

    [Fact]
    public void Read_WhileNothingIsReported_GrowsOlder()
    {
        _board.Take("db", Status(Start));
        _time.Advance(TimeSpan.FromSeconds(7));
        // The server is away: what is restorable stays what it was.
        _board.Take("db", Status(null));
        var reading = _board.Read().Readings[0];
        (reading.AgeSeconds, reading.DurableLsn, reading.ServerLsn).ShouldBe((7, "0/20", "0/30"));
    }

    [Fact]
    public void Read_WithoutABaseBackupBeforeTheLog_IsNotRestorable()
    {
        _board.Take("db", Status(Start));
        _board.LacksBaseBackup("db", lacks: true);
        _time.Advance(TimeSpan.FromMinutes(3));
        _board.Take("db", Status(_time.GetUtcNow()));
        _board.Read().Readings[0].AgeSeconds.ShouldBe(180);
        _board.LacksBaseBackup("db", lacks: false);
        _board.Take("db", Status(_time.GetUtcNow()));
        _board.Read().Readings[0].AgeSeconds.ShouldBe(0);
    }

    private WalStatus Status(DateTimeOffset? restorableAt) => new(1, new Lsn(0x20), new Lsn(0x20), new Lsn(0x30), 0, restorableAt, _time.GetUtcNow() - restorableAt);
}
