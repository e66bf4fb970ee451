using Backup.Vault;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres.Wal;

/// <summary>A file of log in the vault.</summary>
internal sealed record HeldWalFile(WalFile File, WalFacts Facts, SnapshotInfo Snapshot);

/// <summary>What a vault holds of one cluster's log, known from the public tags of snapshots alone.</summary>
internal sealed class WalHoldings
{
    private readonly Dictionary<string, HeldWalFile> _files = [];
    private readonly Dictionary<string, HeldWalFile> _streamedPartials = [];

    private WalHoldings(string asset, List<(WalFacts Facts, SnapshotInfo Snapshot)> snapshots)
    {
        Asset = asset;
        Snapshots = snapshots;
        foreach (var (facts, snapshot) in snapshots)
        {
            foreach (var file in facts.Files)
                Take(new HeldWalFile(file, facts, snapshot));
        }
    }

    internal string Asset { get; }

    /// <summary>Those with log of the asset, in the order of the log.</summary>
    internal IReadOnlyList<(WalFacts Facts, SnapshotInfo Snapshot)> Snapshots { get; }

    /// <summary>The snapshot that reaches farthest; it says what cluster this is.</summary>
    internal WalFacts? Latest => Snapshots.Count == 0 ? null : Snapshots[^1].Facts;

    internal ulong? SystemIdentifier => Snapshots.Select(held => held.Facts.SystemIdentifier).FirstOrDefault(system => system is not null);

    internal IReadOnlyCollection<HeldWalFile> Files => _files.Values;

    internal uint LatestTimeline => Snapshots.Count == 0 ? 0 : Snapshots.Max(held => held.Facts.Timeline);

    internal static async Task<WalHoldings> LoadAsync(OpenVault vault, string asset, CancellationToken cancel) =>
        Of(asset, await vault.ListSnapshotsAsync(cancel));

    internal static WalHoldings Of(string asset, IReadOnlyList<SnapshotInfo> snapshots)
    {
        var name = WalFacts.AssetOf(asset);
        return new WalHoldings(asset, [.. snapshots
            .Where(snapshot => snapshot.Asset == name)
            .Select(snapshot => (Facts: WalFacts.Read(snapshot)!, Snapshot: snapshot))
            .Where(held => held.Facts is not null)
            // By the log itself, which only grows: clocks are set back.
            .OrderBy(held => held.Facts.Timeline)
            .ThenBy(held => held.Facts.End)
            .ThenBy(held => held.Snapshot.CommittedAt)]);
    }

    /// <summary>The file of exactly this name.</summary>
    internal HeldWalFile? Find(string name) => _files.GetValueOrDefault(name);

    /// <summary>A whole file of log, or else as much of it as was streamed.</summary>
    internal HeldWalFile? FindSegment(WalSegment segment) => Find(segment.FileName) ?? _streamedPartials.GetValueOrDefault(segment.FileName);

    /// <summary>Behind the last byte that is held of a timeline; null when none is.</summary>
    internal Lsn? DurableEnd(uint timeline) => Snapshots
        .Where(held => held.Facts.Timeline == timeline && held.Facts.End.Value > 0)
        .Select(held => (Lsn?)held.Facts.End)
        .Max();

    /// <summary>Where the unbroken run of log begins that began at that time; null when nothing of it is held.</summary>
    internal Lsn? RunStart(DateTimeOffset runSince) => Snapshots
        .Where(held => held.Facts.RunSince == runSince)
        .SelectMany(held => held.Facts.Files.Select(file => WalSegment.Parse(file.Name.Replace(WalFileName.PartialSuffix, "", StringComparison.Ordinal), held.Facts.SegmentBytes)?.Start))
        .Min();

    private void Take(HeldWalFile held)
    {
        _ = WalFileName.TryParse(held.File.Name, out var name);
        // Snapshots come in the order of the log, and then of time: of equals the younger stays, so that what retention drops first is not what is read.
        if (!_files.TryGetValue(name.Text, out var known) || held.File.Bytes >= known.File.Bytes)
            _files[name.Text] = held;
        // What a server archives as partial may hold remains of an older file behind its end; what was streamed ends where it ends.
        if (name.Kind == WalFileKind.Partial && held.Facts.Origin == WalOrigin.Stream
            && (!_streamedPartials.TryGetValue(name.Segment, out known) || held.File.Bytes >= known.File.Bytes))
        {
            _streamedPartials[name.Segment] = held;
        }
    }
}
