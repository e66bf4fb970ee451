using System.Text;
using Backup.Sources.Posix;
using Backup.Sources.Postgres.Wal;
using Backup.Vault;

namespace Backup.Sources.Postgres.Recovery;

/// <summary>Puts the log that a plan needs into the restored cluster, so that its server has nothing to fetch.</summary>
internal sealed class RecoveryLog(OpenVault vault, string asset, RecoveryPlan plan)
{
    /// <summary>Writes the files of log from the base backup's beginning to the goal, and all histories of timelines, into <c>pg_wal</c>.</summary>
    /// <exception cref="SourcesException">The target cannot be written, or the log is damaged.</exception>
    /// <exception cref="VaultException">The vault cannot be read.</exception>
    internal async Task PutAsync(Descriptor data, (uint User, uint Group)? owner, CancellationToken cancel)
    {
        var snapshots = await vault.ListSnapshotsAsync(cancel);
        using var reader = await vault.OpenReaderAsync(cancel);
        var source = new WalSource(reader, WalHoldings.Of(asset, snapshots));
        var backup = BaseBackup.Of(asset, snapshots).First(candidate => candidate.Snapshot.Id == plan.BaseBackup);
        var segmentBytes = await source.AddBackupAsync(backup, cancel);
        var path = await TimelinePath.OfAsync(source, plan.Timeline, cancel);
        Require(data.OpenDirectory("pg_wal"u8, out var log), "open", "pg_wal");
        using (log)
        {
            foreach (var history in source.Holdings.Files.Where(held => WalFileName.TryParse(held.File.Name, out var name) && name.Kind == WalFileKind.History))
            {
                var content = await source.ReadSmallAsync(history, cancel);
                Require(PrivateFile.Replace(log!, Encoding.ASCII.GetBytes(history.File.Name), content, owner), "write", history.File.Name);
            }

            // Up to and with the file that holds the goal: the server stops at the first record behind it, which may be in the next file.
            for (var place = WalSegment.Holding(plan.Timeline, plan.ReplayFrom, segmentBytes); place.Start <= plan.ReplayTo; place = place.Next)
            {
                var (file, end) = source.FindLongest(path, place);
                if (file is not { } segment)
                    break;
                await WriteAsync(source, segment, end, log!, owner, cancel);
            }
        }
    }

    /// <summary>A whole file: what is beyond the log that is held are zeros, which recovery takes for the end.</summary>
    private static async Task WriteAsync(WalSource source, WalSegment segment, Lsn end, Descriptor log, (uint User, uint Group)? owner, CancellationToken cancel)
    {
        _ = log.RemoveFile(segment.FileNameBytes);
        Require(log.OpenForWriting(segment.FileNameBytes, create: true, out var file), "write", segment.FileName);
        using (file)
        {
            var written = 0L;
            await source.ReadAsync(segment, end, bytes =>
            {
                Require(file!.Write(bytes.Span, written), "write", segment.FileName);
                written += bytes.Length;
            }, cancel);
            Require(file!.Truncate(segment.SegmentBytes), "write", segment.FileName);
            Require(file.SetMode(PrivateFile.Mode), "write", segment.FileName);
            if (owner is { } account)
                Require(file.SetOwner(account.User, account.Group), "hand over", segment.FileName);
            Require(file.Sync(), "write", segment.FileName);
        }
    }

    private static void Require(Errno error, string doing, string name)
    {
        if (error.IsError)
            throw error.Failure(doing, name);
    }
}
