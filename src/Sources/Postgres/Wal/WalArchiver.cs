using Backup.Vault;
using Backup.Vault.Chunking;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres.Wal;

/// <summary>What <see cref="WalArchiver.PushAsync"/> did.</summary>
public enum WalPushOutcome
{
    /// <summary>The file is in the vault now.</summary>
    Stored,

    /// <summary>The vault has that very file already.</summary>
    AlreadyThere,
}

/// <summary>Puts files into the vault for PostgreSQL's archive_command.</summary>
/// <param name="clock">Stamps the snapshot.</param>
public sealed class WalArchiver(TimeProvider clock)
{
    /// <summary>History files and backup notes are a few lines.</summary>
    private const long SmallFileBytesMax = 1 << 20;

    /// <summary>Stores one file: all of it or nothing, durably. The same file again is success; another of the same name is refused.</summary>
    /// <param name="vault">Where to; a backup key is enough.</param>
    /// <param name="asset">The cluster's asset name.</param>
    /// <param name="path">The file. Its name says what it is.</param>
    /// <param name="cancel">Gives up; then nothing is stored.</param>
    /// <exception cref="SourcesException">PathMissing, WrongCluster, WalConflict, or DataDamaged when the file is not what its name says.</exception>
    /// <exception cref="VaultException">The vault or its store failed.</exception>
    public async Task<WalPushOutcome> PushAsync(OpenVault vault, string asset, string path, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(vault);
        ArgumentException.ThrowIfNullOrEmpty(asset);
        if (!WalFileName.TryParse(Path.GetFileName(path), out var name))
        {
            throw new SourcesException(
                SourcesFault.PathMissing, $"\"{Path.GetFileName(path)}\" is not the name of a file that PostgreSQL archives.", "Call it from archive_command with %p.");
        }

        await using var file = Open(path);
        var holdings = await WalHoldings.LoadAsync(vault, asset, cancel);
        var (cluster, events, end) = await InspectAsync(file, name, holdings, cancel);
        // Known to the series is nothing: reading the whole index would cost more than storing these few chunks again.
        await using var writer = await new SnapshotSeries(vault, new WriterOptions()).BeginAsync(cancel);
        file.Position = 0;
        var content = writer.AddContent(file, name.Kind is WalFileKind.Segment or WalFileKind.Partial ? ContentHints.Pages : ContentHints.None, cancel);
        var stored = WalFile.Of(name.Text, content);
        if (holdings.Find(name.Text) is { } known && !IsStreamedPartial(known, name))
        {
            return known.File == stored
                ? WalPushOutcome.AlreadyThere
                : throw new SourcesException(
                    SourcesFault.WalConflict, $"The vault holds another {name.Text} of '{asset}'.",
                    "Two servers archive under one asset name, or this one was restored and went on under its old timeline. Give each its own asset.");
        }

        var facts = WalFacts.Of(cluster, name.Timeline, WalOrigin.Archive, end, events, holdings.Latest?.RunSince ?? clock.GetUtcNow(), [stored]);
        await WalSnapshot.CommitAsync(writer, asset, facts, [(name.Text, content)], events, clock.GetUtcNow(), new Dictionary<string, string>(), cancel);
        return WalPushOutcome.Stored;
    }

    /// <summary>What a receiver flushed of a file is no rival to the file that the server hands over when the timeline ends.</summary>
    private static bool IsStreamedPartial(HeldWalFile known, WalFileName name) => name.Kind == WalFileKind.Partial && known.Facts.Origin == WalOrigin.Stream;

    private static FileStream Open(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new SourcesException(SourcesFault.PathMissing, $"There is no file {path}.", "archive_command runs in the data directory: %p is relative to it.", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new SourcesException(SourcesFault.AccessDenied, $"{path} cannot be read: {error.Message}", "Run it as the server's account.", error);
        }
    }

    private static async Task<(WalCluster Cluster, WalEvents Events, Lsn End)> InspectAsync(FileStream file, WalFileName name, WalHoldings holdings, CancellationToken cancel)
    {
        if (name.Kind is WalFileKind.History or WalFileKind.BackupNote)
        {
            if (file.Length is 0 or > SmallFileBytesMax)
                throw Unfit(name, $"it has {file.Length} bytes");
            // Without any log it cannot be told whose they are; the next file of log decides.
            var latest = holdings.Latest;
            return (new WalCluster(holdings.SystemIdentifier, latest?.SegmentBytes ?? 16 << 20, latest?.MajorVersion ?? 0), new WalEvents(), default);
        }

        var first = new byte[WalPageHeader.LongBytes];
        await file.ReadAtLeastAsync(first, first.Length, throwOnEndOfStream: false, cancel);
        var cluster = ReadCluster(first, name);
        var segment = WalSegment.Parse(name.Segment, cluster.SegmentBytes) ?? throw Unfit(name, "its name fits no segment of its size");
        if (file.Length != cluster.SegmentBytes)
            throw Unfit(name, $"it has {file.Length} bytes instead of {cluster.SegmentBytes}");
        if (segment.Problem(first, cluster.SystemIdentifier!.Value) is { } problem)
            throw Unfit(name, problem);
        if (holdings.SystemIdentifier is { } known && known != cluster.SystemIdentifier)
        {
            throw new SourcesException(
                SourcesFault.WrongCluster, $"{name.Text} is of cluster {cluster.SystemIdentifier}, but '{holdings.Asset}' is cluster {known}.", "Give every cluster an asset of its own.");
        }

        var events = new WalEvents();
        var scanner = new WalScanner(name.Timeline, segment.Start, cluster.SystemIdentifier.Value, cluster.SegmentBytes, events.Take);
        scanner.Feed(first);
        var buffer = new byte[1 << 20];
        for (int count; (count = await file.ReadAsync(buffer, cancel)) > 0;)
            scanner.Feed(buffer.AsSpan(0, count));
        // A server never reports a finished file that is not whole; what it leaves at the end of a timeline may end anywhere.
        if (name.Kind == WalFileKind.Segment && scanner.Problem is { } broken)
            throw Unfit(name, broken);
        return (cluster, events, name.Kind == WalFileKind.Segment ? segment.End : default);
    }

    private static WalCluster ReadCluster(byte[] firstPage, WalFileName name)
    {
        var header = new WalPageHeader(firstPage);
        if (WalPageHeader.MajorVersionOf(header.Magic) is not { } version || !header.IsLong)
            throw Unfit(name, "it does not begin as a file of log of PostgreSQL 13 to 18 does");
        return header.SegmentBytes is >= 1 << 20 and <= 1 << 30 && uint.IsPow2(header.SegmentBytes)
            ? new WalCluster(header.SystemIdentifier, (int)header.SegmentBytes, version)
            : throw Unfit(name, "its header has an impossible segment size");
    }

    private static SourcesException Unfit(WalFileName name, string why) => new(
        SourcesFault.DataDamaged, $"{name.Text} is not stored: {why}.", "The file in pg_wal is damaged, or not what its name says; see the server's log.");
}
