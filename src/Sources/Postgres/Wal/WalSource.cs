using System.Text;
using Backup.Vault;
using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres.Wal;

/// <summary>Reads files of log back out of a vault. Needs a restore key.</summary>
internal sealed class WalSource(VaultReader reader, WalHoldings holdings)
{
    private readonly Dictionary<SnapshotId, Dictionary<string, Content>> _trees = [];
    private readonly Dictionary<string, (Content Content, long Bytes)> _ofBackup = [];

    internal WalHoldings Holdings => holdings;

    /// <summary>Adds the log inside a base backup, which is what leads from its start to its end.</summary>
    /// <returns>The cluster's segment size: as its log says, or else as the first file in the base backup does.</returns>
    /// <exception cref="SourcesException">SnapshotUnsuitable: neither says it.</exception>
    internal async Task<int> AddBackupAsync(BaseBackup backup, CancellationToken cancel)
    {
        var parts = await reader.ReadTreeAsync(backup.Snapshot.Root!.Value, cancel);
        var log = parts.FirstOrDefault(part => Encoding.UTF8.GetString(part.Name.Span) == PostgresSource.WalName)?.Subtree is { } tree ? await reader.ReadTreeAsync(tree, cancel) : [];
        var segmentBytes = holdings.Latest?.SegmentBytes ?? (log is [{ Size: >= 1 << 20 and <= 1 << 30 } first, ..] ? (int)first.Size : throw new SourcesException(
            SourcesFault.SnapshotUnsuitable, $"Snapshot {backup.Snapshot.Id} holds no log.", "It was not made by this source; restore it as files."));
        foreach (var entry in log)
        {
            var name = Encoding.ASCII.GetString(entry.Name.Span);
            if (WalSegment.Parse(name, segmentBytes) is not { } segment || entry.Content is not { } content)
                continue;
            // Behind the end of the backup the file may hold anything.
            var bytes = backup.Stop >= segment.End ? segmentBytes : Math.Max(0, (long)backup.Stop.Value - (long)segment.Start.Value);
            if (!_ofBackup.TryGetValue(name, out var known) || known.Bytes < bytes)
                _ofBackup[name] = (content, bytes);
        }

        return segmentBytes;
    }

    /// <summary>How many bytes of a file of log can be had, from wherever there are most.</summary>
    internal long BytesOf(WalSegment segment) =>
        Math.Max(holdings.FindSegment(segment)?.File.Bytes ?? 0, _ofBackup.GetValueOrDefault(segment.FileName).Bytes);

    /// <summary>
    /// The file for a place in the log. Where timelines part, the younger one's file begins with a copy of what the older one's holds; the one that
    /// reaches furthest counts, of equals the younger, as for the server.
    /// </summary>
    /// <returns>The file, and where its part of the path ends; none, and the place's beginning, when nothing is held.</returns>
    internal (WalSegment? File, Lsn End) FindLongest(TimelineHistory path, WalSegment place)
    {
        (WalSegment? File, Lsn End) longest = (null, place.Start);
        foreach (var timeline in path.TimelinesWithin(place.Start, place.End))
        {
            var file = place with { Timeline = timeline };
            var end = Earlier(new Lsn(place.Start.Value + (ulong)BytesOf(file)), Earlier(path.EndOf(timeline)!.Value, place.End));
            if (end > place.Start && end >= longest.End)
                longest = (file, end);
        }

        return longest;
    }

    /// <summary>Where the log ends that is unbroken from a position on.</summary>
    internal Lsn UnbrokenEnd(TimelineHistory path, Lsn from, int segmentBytes)
    {
        for (var place = WalSegment.Holding(path.TimelineAt(from), from, segmentBytes); ; place = place.Next)
        {
            var (_, end) = FindLongest(path, place);
            if (end < place.End)
                return end < from ? from : end;
        }
    }

    private static Lsn Earlier(Lsn left, Lsn right) => left < right ? left : right;

    /// <summary>Hands over the bytes of a file of log from its beginning up to a position.</summary>
    /// <exception cref="SourcesException">WalNotHeld.</exception>
    internal async Task ReadAsync(WalSegment segment, Lsn end, Action<ReadOnlyMemory<byte>> take, CancellationToken cancel)
    {
        var held = holdings.FindSegment(segment);
        var (content, bytes) = _ofBackup.GetValueOrDefault(segment.FileName);
        if (held is not null && held.File.Bytes >= bytes)
            (content, bytes) = (await FindAsync(held, cancel), held.File.Bytes);
        if (content is null)
            throw NotHeld(segment.FileName);
        await using var stream = await reader.OpenContentAsync(content, cancel);
        var buffer = new byte[1 << 20];
        for (var left = Math.Min(bytes, (long)(end.Value - segment.Start.Value)); left > 0;)
        {
            var count = await stream.ReadAsync(buffer.AsMemory(0, (int)Math.Min(left, buffer.Length)), cancel);
            if (count == 0)
                break;
            take(buffer.AsMemory(0, count));
            left -= count;
        }
    }

    /// <summary>A small file as a whole.</summary>
    internal async Task<byte[]> ReadSmallAsync(HeldWalFile held, CancellationToken cancel)
    {
        await using var stream = await reader.OpenContentAsync(await FindAsync(held, cancel), cancel);
        using var bytes = new MemoryStream();
        await stream.CopyToAsync(bytes, cancel);
        return bytes.ToArray();
    }

    /// <summary>The history of a timeline; null when its file is not held.</summary>
    internal async Task<TimelineHistory?> FindHistoryAsync(uint timeline, CancellationToken cancel) =>
        holdings.Find(WalFileName.HistoryOf(timeline)) is { } held ? TimelineHistory.Parse(timeline, await ReadSmallAsync(held, cancel)) : null;

    internal async Task<Content> FindAsync(HeldWalFile held, CancellationToken cancel)
    {
        if (!_trees.TryGetValue(held.Snapshot.Id, out var files))
        {
            files = (await reader.ReadTreeAsync(held.Snapshot.Root!.Value, cancel))
                .Where(entry => entry.Content is not null)
                .ToDictionary(entry => Encoding.ASCII.GetString(entry.Name.Span), entry => entry.Content!);
            _trees.Add(held.Snapshot.Id, files);
        }

        return files.TryGetValue(held.File.Name, out var content) && content.Length == held.File.Bytes
            ? await reader.ExpandAsync(content, cancel)
            : throw new SourcesException(SourcesFault.DataDamaged, $"Snapshot {held.Snapshot.Id} does not hold {held.File.Name} as its tags say.", "Verify the vault; another snapshot may hold the file.");
    }

    internal static SourcesException NotHeld(string name) => new(SourcesFault.WalNotHeld, $"The vault does not hold {name}.", "At the end of the log this is as it should be.");
}
