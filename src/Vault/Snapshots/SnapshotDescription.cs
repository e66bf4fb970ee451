namespace Backup.Vault.Snapshots;

/// <summary>What a source says about the snapshot it commits.</summary>
public sealed record SnapshotDescription
{
    /// <summary>The longest asset name, source kind, tag name or tag value, in UTF-8 bytes.</summary>
    public const int TextBytesMax = 4096;

    /// <summary>The most tags or properties.</summary>
    public const int PairsMax = 256;

    /// <summary>The protected thing's name. Readable with a backup key.</summary>
    public required string Asset { get; init; }

    /// <summary>What read it, for example <c>files</c> or <c>postgres</c>. Readable with a backup key.</summary>
    public required string SourceKind { get; init; }

    /// <summary>The instant whose state the snapshot shows (the recovery point's time); the commit's time when null. Readable with a backup key.</summary>
    public DateTimeOffset? ConsistentAt { get; init; }

    /// <summary>The snapshot whose unchanged files this one took over, if any; it may have been dropped since. Readable with a backup key.</summary>
    public SnapshotId? Parent { get; init; }

    /// <summary>Names and values that a catalog needs without a restore key (run id, host, class). Readable with a backup key.</summary>
    public IReadOnlyDictionary<string, string> Tags { get; init; } = new Dictionary<string, string>();

    /// <summary>Names and values that only a restore key may read (paths, connection facts, log positions).</summary>
    public IReadOnlyDictionary<string, string> SealedProperties { get; init; } = new Dictionary<string, string>();

    /// <summary>How many files (or other items) the snapshot holds. Readable with a backup key.</summary>
    public long ItemsTotal { get; init; }

    /// <summary>How many items could not be read; more than none makes the snapshot partial. Readable with a backup key.</summary>
    public long ItemsUnreadable { get; init; }

    internal void Check()
    {
        CheckText(Asset, nameof(Asset));
        CheckText(SourceKind, nameof(SourceKind));
        ArgumentOutOfRangeException.ThrowIfNegative(ItemsTotal);
        ArgumentOutOfRangeException.ThrowIfNegative(ItemsUnreadable);
        foreach (var pairs in (IReadOnlyDictionary<string, string>[])[Tags, SealedProperties])
        {
            if (pairs.Count > PairsMax) throw new ArgumentException($"A snapshot has at most {PairsMax} tags and as many properties.");
            foreach (var (name, value) in pairs)
            {
                CheckText(name, "tag name");
                if (System.Text.Encoding.UTF8.GetByteCount(value) > TextBytesMax) throw new ArgumentException($"The value of '{name}' is longer than {TextBytesMax} bytes.");
            }
        }
    }

    private static void CheckText(string text, string what)
    {
        if (string.IsNullOrEmpty(text) || System.Text.Encoding.UTF8.GetByteCount(text) > TextBytesMax) throw new ArgumentException($"{what} must have 1 to {TextBytesMax} bytes.");
    }
}

/// <summary>A committed snapshot as the vault lists it.</summary>
public sealed record SnapshotInfo
{
    /// <summary>Its identity.</summary>
    public required SnapshotId Id { get; init; }

    /// <summary>The protected thing's name.</summary>
    public required string Asset { get; init; }

    /// <summary>What read it.</summary>
    public required string SourceKind { get; init; }

    /// <summary>When the writer began (UTC).</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>The instant whose state it shows (UTC).</summary>
    public required DateTimeOffset ConsistentAt { get; init; }

    /// <summary>When it was committed (UTC).</summary>
    public required DateTimeOffset CommittedAt { get; init; }

    /// <summary>The snapshot this one followed, if any.</summary>
    public SnapshotId? Parent { get; init; }

    /// <summary>Tags.</summary>
    public required IReadOnlyDictionary<string, string> Tags { get; init; }

    /// <summary>How many items it holds.</summary>
    public long ItemsTotal { get; init; }

    /// <summary>How many items could not be read.</summary>
    public long ItemsUnreadable { get; init; }

    /// <summary>The writer's counters at the commit.</summary>
    public WriterStatistics Statistics { get; init; }

    /// <summary>The root tree; null when listed with a backup key.</summary>
    public TreeId? Root { get; init; }

    /// <summary>Sealed properties; empty when listed with a backup key.</summary>
    public IReadOnlyDictionary<string, string> SealedProperties { get; init; } = new Dictionary<string, string>();
}
