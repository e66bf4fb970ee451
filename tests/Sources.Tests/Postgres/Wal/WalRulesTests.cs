using System.Text;
using Backup.Sources.Postgres;
using Backup.Sources.Postgres.Recovery;
using Backup.Sources.Postgres.Wal;
using Backup.Vault;
using Backup.Vault.Snapshots;
using CsCheck;
using Shouldly;

namespace Backup.Sources.Tests.Postgres.Wal;

/// <summary>What is decided without a server.</summary>
public sealed class WalRulesTests
{
    private const int SegmentBytes = 16 << 20;

    private static readonly DateTimeOffset Noon = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("000000010000000000000003", true)]
    [InlineData("000000010000000000000003.partial", true)]
    [InlineData("00000002.history", true)]
    [InlineData("000000010000000000000003.00000028.backup", true)]
    [InlineData("000000000000000000000003", false)]
    [InlineData("00000001000000000000000g", false)]
    [InlineData("../000000010000000000000003", false)]
    [InlineData("00000002.histori", false)]
    [InlineData("RECOVERYXLOG", false)]
    [InlineData("", false)]
    public void FileName_OnlyWhatPostgresArchives_IsOne(string text, bool expected) => WalFileName.TryParse(text, out _).ShouldBe(expected);

    [Fact]
    public void History_SaysWhereTimelinesPart()
    {
        var history = TimelineHistory.Parse(3, "1\t0/3000060\tno recovery target specified\n\n# remark\n2\t0/5000000\tbefore 2026-05-01\n"u8);
        history.EndOf(1).ShouldBe(new Lsn(0x3000060));
        history.EndOf(3).ShouldBe(new Lsn(ulong.MaxValue));
        history.EndOf(4).ShouldBeNull();
        history.TimelineAt(new Lsn(0x300005F)).ShouldBe(1u);
        history.TimelineAt(new Lsn(0x3000060)).ShouldBe(2u);
        history.TimelineAt(new Lsn(0x5000000)).ShouldBe(3u);
        history.TimelinesWithin(new Lsn(0x3000000), new Lsn(0x4000000)).ShouldBe([1u, 2u]);
    }

    [Fact]
    public void History_OfAnyBytes_IsReadOrRefused() => Gen.Byte.Array[0, 200].Sample(bytes =>
    {
        try
        {
            TimelineHistory.Parse(9, bytes).TimelineAt(new Lsn(5)).ShouldBeLessThanOrEqualTo(9u);
        }
        catch (SourcesException refused)
        {
            refused.Fault.ShouldBe(SourcesFault.DataDamaged);
        }
    }, iter: 2000);

    [Fact]
    public void Tags_OfAnyText_AreReadOrLeftOut() => Gen.Select(Gen.String[0, 60], Gen.Int[0, 9]).Sample((text, which) =>
    {
        var tags = Facts(1, 3, 5).ToTags();
        tags[tags.Keys.Order(StringComparer.Ordinal).ElementAt(which % tags.Count)] = text;
        WalFacts.Read(Snapshot(tags))?.Files.Count.ShouldBeLessThanOrEqualTo(WalFacts.FilesMax);
    }, iter: 3000);

    [Fact]
    public void Tags_WithAsManyFilesAsAllowed_FitIntoASnapshot()
    {
        var files = Enumerable.Range(0, WalFacts.FilesMax).Select(n => new WalFile($"00000001{n:X8}000000FF.partial", int.MaxValue, new string('f', 24))).ToList();
        Encoding.UTF8.GetByteCount((Facts(1, 3, 5) with { Files = files }).ToTags()["wal-files"]).ShouldBeLessThanOrEqualTo(SnapshotDescription.TextBytesMax);
    }

    [Fact]
    public void Start_GoesOnWhereTheVaultEnds_AndFollowsPromotions()
    {
        var holdings = Holdings(Facts(1, 3, 5));
        var kept = new Lsn(0x2000000);
        var same = StreamStart.Decide(holdings, TimelineHistory.First(1), new Lsn(0x9000000), kept, SegmentBytes, startsAnew: false);
        same.ShouldBe(new StreamStart(1, new Lsn(0x6000000), new Lsn(0x6000100), null, ContinuesRun: true));

        var promotedLater = StreamStart.Decide(holdings, TimelineHistory.Parse(2, "1\t0/7000050\tx\n"u8), new Lsn(0x9000000), kept, SegmentBytes, startsAnew: false);
        promotedLater.ShouldBe(new StreamStart(1, new Lsn(0x6000000), new Lsn(0x6000100), new Lsn(0x7000050), ContinuesRun: true));
        var promotedEarlier = StreamStart.Decide(holdings, TimelineHistory.Parse(2, "1\t0/5000050\tx\n"u8), new Lsn(0x9000000), kept, SegmentBytes, startsAnew: false);
        promotedEarlier.ShouldBe(new StreamStart(2, new Lsn(0x5000000), new Lsn(0x5000050), null, ContinuesRun: true));

        var anew = StreamStart.Decide(holdings, TimelineHistory.First(1), new Lsn(0x9000000), new Lsn(0x8000028), SegmentBytes, startsAnew: true);
        anew.ShouldBe(new StreamStart(1, new Lsn(0x8000000), new Lsn(0x8000000), null, ContinuesRun: false));
    }

    [Fact]
    public void Start_ServerBehindTheVault_IsRefused()
    {
        var holdings = Holdings(Facts(2, 3, 5));
        Should.Throw<SourcesException>(() => StreamStart.Decide(holdings, TimelineHistory.First(1), new Lsn(0x9000000), default, SegmentBytes, startsAnew: false)).Fault.ShouldBe(SourcesFault.WrongCluster);
        Should.Throw<SourcesException>(() => StreamStart.Decide(holdings, TimelineHistory.Parse(2, "1\t0/2000000\tx\n"u8), new Lsn(0x4000000), default, SegmentBytes, startsAnew: false)).Fault.ShouldBe(SourcesFault.WrongCluster);
    }

    [Fact]
    public void RpoClock_CountsOnlyWhatTheVaultHas()
    {
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(Noon);
        var clock = new RpoClock(time);
        clock.Sample(new Lsn(100), At(0));
        clock.RestorableAt.ShouldBeNull();
        clock.Stored(new Lsn(99));
        clock.RestorableAt.ShouldBeNull();
        clock.Stored(new Lsn(100));
        clock.RestorableAt.ShouldBe(Noon);
        clock.Sample(new Lsn(100), At(1));
        clock.RestorableAt.ShouldBe(Noon.AddSeconds(1), "an idle server loses nothing");
        clock.Sample(new Lsn(200), At(2));
        clock.RestorableAt.ShouldBe(Noon.AddSeconds(1));
        for (var second = 3; second < 5000; second++)
            clock.Sample(new Lsn(200 + (ulong)second), At(second));
        clock.Stored(new Lsn(10_000));
        clock.RestorableAt.ShouldBe(Noon.AddSeconds(4999));

        RpoClock.Moment At(int second) => new(Noon.AddSeconds(second), 0);
    }

    [Fact]
    public void RpoClock_ThisMachinesClockIsSet_NeverSaysLessThanReallyPassed()
    {
        var time = new TwoClocks { Set = Noon };
        var clock = new RpoClock(time);
        clock.Sample(new Lsn(100), clock.Now());
        clock.Stored(new Lsn(100));
        time.Running = TimeSpan.FromSeconds(5);
        time.Set = Noon.AddHours(-3);
        clock.Age.ShouldBe(TimeSpan.FromSeconds(5));
        time.Set = Noon.AddHours(1);
        clock.Age.ShouldBe(TimeSpan.FromHours(1), "a machine that slept counts as well");
    }

    /// <summary>The clock that may be set, and the one that only runs.</summary>
    private sealed class TwoClocks : TimeProvider
    {
        public DateTimeOffset Set { get; set; }

        public TimeSpan Running { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override DateTimeOffset GetUtcNow() => Set;

        public override long GetTimestamp() => Running.Ticks;
    }

    [Fact]
    public void Settings_ReplaceWhatTheClusterHad_AndQuote()
    {
        var request = new RecoveryRequest
        {
            Asset = "a",
            Goal = RecoveryTarget.AtRestorePoint("it's \\ here"),
            RestoreCommand = "cp '/xü/%f' %p",
            Files = new PostgresRestoreRequest { Target = "/t" },
        };
        // A server of another encoding wrote it.
        var before = System.Text.Encoding.Latin1.GetBytes("# kept\nrecovery_target_time = 'old'\nRestore_Command='old'\nwork_mem = '4MB'\ncluster_name = 'für'\n");
        var after = RecoverySettings.Merge(before, RecoverySettings.For(request, request.Goal, 7));
        after.AsSpan().IndexOf((ReadOnlySpan<byte>)System.Text.Encoding.Latin1.GetBytes("cluster_name = 'für'\n")).ShouldBeGreaterThan(0);
        var merged = System.Text.Encoding.UTF8.GetString(after);
        merged.ShouldNotContain("old");
        merged.ShouldContain("# kept\n");
        merged.ShouldContain("work_mem = '4MB'\n");
        merged.ShouldContain("recovery_target_name = 'it''s \\\\ here'\n");
        merged.ShouldContain("restore_command = 'cp ''/xü/%f'' %p'\n");
        merged.ShouldContain("recovery_target_timeline = '7'\n");
    }

    [Fact]
    public async Task Buffer_WaitsForRoomAndForTime()
    {
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();
        using var buffer = new WalBuffer(new Lsn(0), 100, time);
        await buffer.AddAsync(new byte[80], new WalEvents(), TestContext.Current.CancellationToken);
        var blocked = buffer.AddAsync(new byte[30], new WalEvents(), TestContext.Current.CancellationToken);
        blocked.IsCompleted.ShouldBeFalse();
        var first = await buffer.TakeAsync(TimeSpan.FromSeconds(2), 50, TestContext.Current.CancellationToken);
        first.ShouldNotBeNull().Bytes.Sum(piece => piece.Length).ShouldBe(80);
        await blocked;
        buffer.End.ShouldBe(new Lsn(110));
        buffer.Complete();
        (await buffer.TakeAsync(TimeSpan.FromSeconds(2), 50, TestContext.Current.CancellationToken)).ShouldNotBeNull().Start.ShouldBe(new Lsn(80));
        (await buffer.TakeAsync(TimeSpan.FromSeconds(2), 50, TestContext.Current.CancellationToken)).ShouldBeNull();
    }

    /// <summary>Whole files, and 256 bytes of the one after the last.</summary>
    [Fact]
    public void Coverage_OfEachBaseBackup_IsTheRunItLeadsInto()
    {
        // A run from 12:00 to 14:00, a gap, a run from 15:00 to 18:00; a clock that was ahead dated the end of the first one to 16:00.
        var snapshots = new[]
        {
            Log(run: 0, at: 1), Log(run: 0, at: 4), Log(run: 3, at: 5), Log(run: 3, at: 6),
            Backup('1', at: -1), Backup('2', at: 1), Backup('3', at: 4), Backup('4', at: 7),
        };
        var until = LogCoverage.Of("a", snapshots);
        until.Select(u => (u.Key, u.Value)).ShouldBe([(IdOf('2'), Noon.AddHours(3)), (IdOf('3'), Noon.AddHours(6))], ignoreOrder: true);
        LogCoverage.Of("other", snapshots).ShouldBeEmpty();

        static SnapshotInfo Log(int run, int at) => Snapshot((Facts(1, 3, 5) with { RunSince = Noon.AddHours(run) }).ToTags()) with { ConsistentAt = Noon.AddHours(at), CommittedAt = Noon.AddHours(at) };
        static SnapshotInfo Backup(char id, int at) => Snapshot([]) with
        {
            Id = IdOf(id),
            Asset = "a",
            SourceKind = PostgresSource.Kind,
            StartedAt = Noon.AddHours(at),
            ConsistentAt = Noon.AddHours(at).AddMinutes(1),
        };
        static SnapshotId IdOf(char id) => SnapshotId.TryParse(new string(id, 64), out var parsed) ? parsed : throw new InvalidOperationException();
    }

    private static WalFacts Facts(uint timeline, ulong first, ulong last) => new()
    {
        SystemIdentifier = 7,
        Timeline = timeline,
        SegmentBytes = SegmentBytes,
        MajorVersion = 18,
        Origin = WalOrigin.Stream,
        End = new Lsn(((last + 1) * SegmentBytes) + 0x100),
        RunSince = Noon,
        Files =
        [
            .. Enumerable.Range((int)first, (int)(last - first) + 1).Select(n => new WalFile(new WalSegment(timeline, (ulong)n, SegmentBytes).FileName, SegmentBytes, "f")),
            new WalFile(new WalSegment(timeline, last + 1, SegmentBytes).FileName + ".partial", 0x100, "f"),
        ],
    };

    private static WalHoldings Holdings(params WalFacts[] facts) => WalHoldings.Of("a", [.. facts.Select(fact => Snapshot(fact.ToTags()))]);

    private static SnapshotInfo Snapshot(Dictionary<string, string> tags) => new()
    {
        Id = default,
        Asset = WalFacts.AssetOf("a"),
        SourceKind = WalFacts.Kind,
        StartedAt = Noon,
        ConsistentAt = Noon,
        CommittedAt = Noon,
        Tags = tags,
    };
}
