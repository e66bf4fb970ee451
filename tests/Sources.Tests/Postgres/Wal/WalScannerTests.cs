using Backup.Sources.Postgres;
using Backup.Sources.Postgres.Wal;
using CsCheck;
using Shouldly;

namespace Backup.Sources.Tests.Postgres.Wal;

/// <summary>The parser against log that a real server wrote, and against what nobody wrote.</summary>
[Collection(nameof(ClusterFixture))]
public sealed class WalScannerTests(ClusterFixture cluster)
{
    [Fact]
    public async Task Scan_OfARealServersLog_FindsEveryRecordCommitAndRestorePoint()
    {
        var log = await LogAsync();
        var records = new List<WalRecord>();
        var scanner = log.Scan(log.Bytes, records.Add);
        scanner.Problem.ShouldNotBeNull();
        scanner.IsAtEnd.ShouldBeTrue(scanner.Problem);
        scanner.MajorVersion.ShouldBe(18);
        scanner.EndOfRecords.ShouldBeGreaterThanOrEqualTo(log.RestorePoint);
        var point = records.Single(record => record.Name == log.RestorePointName);
        point.Kind.ShouldBe(WalRecordKind.RestorePoint);
        point.End.ShouldBe(log.RestorePoint);
        point.Time.ShouldNotBeNull().ShouldBe(DateTimeOffset.UtcNow, TimeSpan.FromMinutes(1));
        records.ShouldContain(record => record.Kind == WalRecordKind.Commit && record.TransactionId == log.Transaction);
        records.ShouldContain(record => record.Kind == WalRecordKind.Abort && record.TransactionId == log.AbortedTransaction);
        records.ShouldContain(record => record.Kind == WalRecordKind.Commit && record.TransactionId == log.PreparedTransaction);
        records.ShouldContain(record => record.Kind == WalRecordKind.Switch);
    }

    [Fact]
    public async Task Scan_FedInAnyPieces_SeesTheSame()
    {
        var log = await LogAsync();
        var whole = log.Scan(log.Bytes);
        var random = new Random(5);
        var pieces = log.NewScanner(null);
        for (var at = 0; at < log.Bytes.Length;)
        {
            var count = Math.Min(log.Bytes.Length - at, random.Next(8) == 0 ? random.Next(1, 40_000) : random.Next(1, 40));
            pieces.Feed(log.Bytes.AsSpan(at, count));
            at += count;
        }

        (pieces.EndOfRecords, pieces.Records, pieces.Problem).ShouldBe((whole.EndOfRecords, whole.Records, whole.Problem));
    }

    [Fact]
    public async Task Scan_FromAnySegment_SynchronizesAndEndsAtTheSamePlace()
    {
        var log = await LogAsync();
        var whole = log.Scan(log.Bytes);
        for (var at = ClusterFixture.WalSegmentBytes; at < (int)(whole.EndOfRecords.Value - log.Start.Value); at += ClusterFixture.WalSegmentBytes)
        {
            var later = new WalScanner(1, new Lsn(log.Start.Value + (ulong)at), log.SystemIdentifier, ClusterFixture.WalSegmentBytes, null);
            later.Feed(log.Bytes.AsSpan(at));
            later.EndOfRecords.ShouldBe(whole.EndOfRecords);
        }
    }

    [Fact]
    public async Task Scan_WithAnyBitFlipped_NeverReachesBeyondIt()
    {
        var log = await LogAsync();
        var whole = log.Scan(log.Bytes);
        whole.EndOfRecords.Value.ShouldBeLessThan(log.Start.Value + (ulong)log.Bytes.Length);
        var starts = new List<WalRecord>();
        log.Scan(log.Bytes, starts.Add);
        var covered = starts.Where(record => record.Kind != WalRecordKind.Switch).ToList();
        Gen.Int[0, covered.Count - 1].Select(Gen.Int[0, 1 << 20], Gen.Int[0, 7]).Sample((chosen, offset, bit) =>
        {
            var record = covered[chosen];
            // The record's own bytes, without the alignment behind it; page headers in it count too.
            var length = (int)(record.End.Value - record.Start.Value) - 7;
            var at = (int)(record.Start.Value - log.Start.Value) + (offset % length);
            // Unused bytes of page headers are covered by nothing, nor is their flag that says whether full pages may be taken out.
            var inPage = (log.Start.Value + (ulong)at) % WalPageHeader.PageBytes;
            if (inPage is >= 20 and < 24 || (inPage, bit) == (2, 2))
                return;
            // With the unwritten log behind it: a record that claims to be longer than it is would otherwise only be waited for.
            var damaged = (byte[])log.Bytes.Clone();
            damaged[at] ^= (byte)(1 << bit);
            var scanner = log.Scan(damaged);
            scanner.Problem.ShouldNotBeNull($"record at {record.Start}, byte {at}, bit {bit}");
            scanner.EndOfRecords.Value.ShouldBeLessThanOrEqualTo(log.Start.Value + (ulong)at + 1);
        }, iter: 300);
    }

    [Fact]
    public void Scan_OfAnyBytes_EndsWithoutThrowing() =>
        Gen.Select(Gen.Byte.Array[0, 30_000], Gen.Int[0, 3]).Sample((bytes, kind) =>
        {
            // Half-way plausible pages reach deeper than noise does.
            for (var page = 0; kind > 0 && page + WalPageHeader.LongBytes <= bytes.Length; page += WalPageHeader.PageBytes)
            {
                BitConverter.TryWriteBytes(bytes.AsSpan(page), (ushort)0xD118);
                BitConverter.TryWriteBytes(bytes.AsSpan(page + 2), (ushort)(page == 0 ? 2 : kind - 1));
                BitConverter.TryWriteBytes(bytes.AsSpan(page + 4), 1);
                BitConverter.TryWriteBytes(bytes.AsSpan(page + 8), (ulong)page);
                if (kind > 1)
                    BitConverter.TryWriteBytes(bytes.AsSpan(page + 16), bytes[page + 16] * 64);
                if (page == 0)
                {
                    BitConverter.TryWriteBytes(bytes.AsSpan(24), 7UL);
                    BitConverter.TryWriteBytes(bytes.AsSpan(32), 1 << 20);
                    BitConverter.TryWriteBytes(bytes.AsSpan(36), WalPageHeader.PageBytes);
                }
            }

            var scanner = new WalScanner(1, new Lsn(0), 7, 1 << 20, null);
            scanner.Feed(bytes);
            scanner.EndOfRecords.Value.ShouldBeLessThanOrEqualTo((ulong)bytes.Length + 7);
        }, iter: 5000);

    private async Task<RealLog> LogAsync()
    {
        var database = cluster.Server.ConnectionString();
        var name = $"point_{Guid.NewGuid():N}";
        var table = $"scanned_{Guid.NewGuid():N}";
        await ClusterFixture.ExecuteAsync(database, $"CREATE TABLE {table} (n int, filler text)");
        var start = await ClusterFixture.AskAsync<string>(database, "SELECT pg_walfile_name(pg_switch_wal())");
        start = await ClusterFixture.AskAsync<string>(database, "SELECT pg_walfile_name(pg_current_wal_insert_lsn() + 1)");
        var transaction = await ClusterFixture.AskAsync<string>(
            database, $"WITH w AS (INSERT INTO {table} SELECT n, repeat(md5(n::text), 50) FROM generate_series(1, 8000) n RETURNING 1) SELECT pg_current_xact_id()::text FROM w LIMIT 1");
        await ClusterFixture.ExecuteAsync(database, "SELECT pg_switch_wal()");
        var aborted = await ClusterFixture.AskAsync<string>(database, $"BEGIN; INSERT INTO {table} VALUES (1); SELECT pg_current_xact_id()::text");
        await ClusterFixture.ExecuteAsync(
            database,
            $"BEGIN; INSERT INTO {table} VALUES (2); PREPARE TRANSACTION 'p_{table}'",
            $"COMMIT PREPARED 'p_{table}'");
        var point = await ClusterFixture.AskAsync<string>(database, $"SELECT pg_create_restore_point('{name}')::text");
        var preparedId = uint.Parse(await ClusterFixture.AskAsync<string>(database, $"SELECT max(xmin::text::bigint)::text FROM {table} WHERE n = 2"), System.Globalization.CultureInfo.InvariantCulture);
        await ClusterFixture.ExecuteAsync(database, $"DROP TABLE {table}");
        Lsn.TryParse(point, out var lsn).ShouldBeTrue();
        var files = Directory.GetFiles(Path.Combine(cluster.Server.DataFolder, "pg_wal"), "0000000100000*").Where(file => string.CompareOrdinal(Path.GetFileName(file), start) >= 0).Order(StringComparer.Ordinal);
        var bytes = files.SelectMany(File.ReadAllBytes).ToArray();
        var header = new WalPageHeader(bytes);
        return new RealLog(bytes, header.Address, header.SystemIdentifier, lsn, name, Parse(transaction), Parse(aborted), preparedId);

        static uint Parse(string text) => uint.Parse(text, System.Globalization.CultureInfo.InvariantCulture);
    }

    private sealed record RealLog(
        byte[] Bytes, Lsn Start, ulong SystemIdentifier, Lsn RestorePoint, string RestorePointName, uint Transaction, uint AbortedTransaction, uint PreparedTransaction)
    {
        internal WalScanner NewScanner(Action<WalRecord>? sink) => new(1, Start, SystemIdentifier, ClusterFixture.WalSegmentBytes, sink);

        internal WalScanner Scan(byte[] bytes, Action<WalRecord>? sink = null)
        {
            var scanner = NewScanner(sink);
            scanner.Feed(bytes);
            return scanner;
        }
    }
}
