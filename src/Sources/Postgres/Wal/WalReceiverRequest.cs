namespace Backup.Sources.Postgres.Wal;

/// <summary>What to do when the server keeps more log for our slot than its disk should hold.</summary>
public enum SlotPolicy
{
    /// <summary>Only tell. The server's disk may fill up.</summary>
    AlertOnly,

    /// <summary>End receiving with an error, and leave the slot: a person decides.</summary>
    Stop,

    /// <summary>Drop the slot. The server frees its log, the chain of log breaks, and a new base backup is needed.</summary>
    DropSlot,
}

/// <summary>What a <see cref="WalReceiver"/> receives and how.</summary>
public sealed record WalReceiverRequest
{
    /// <summary>The cluster's asset name, as its base backups have it.</summary>
    public required string Asset { get; init; }

    /// <summary>
    /// An Npgsql connection string. The role needs REPLICATION (and, below PostgreSQL 15, whatever it takes to read
    /// pg_replication_slots, which every role may). Never written to logs, errors or the vault.
    /// </summary>
    public required string ConnectionString { get; init; }

    /// <summary>The replication slot; by default <c>backup_</c> and the asset's name.</summary>
    public string? Slot { get; init; }

    /// <summary>How long a committed transaction may take into the vault, as long as server and vault can be reached: 1 second to 1 hour.</summary>
    public TimeSpan DurableWithin { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How many bytes of log the server may keep for us before <see cref="WhenSlotBehind"/> applies; at least 64 MiB.</summary>
    public long SlotBytesMax { get; init; } = 16L << 30;

    /// <summary>What happens then.</summary>
    public SlotPolicy WhenSlotBehind { get; init; } = SlotPolicy.AlertOnly;

    /// <summary>Tags for the snapshots.</summary>
    public IReadOnlyDictionary<string, string> Tags { get; init; } = new Dictionary<string, string>();

    internal string SlotName => Slot ?? "backup_" + new string([.. Asset.ToLowerInvariant().Select(letter => char.IsAsciiLetterLower(letter) || char.IsAsciiDigit(letter) ? letter : '_').Take(56)]);

    /// <summary>Refuses what is out of range.</summary>
    /// <exception cref="ArgumentException">What and why.</exception>
    public void Check()
    {
        ArgumentException.ThrowIfNullOrEmpty(Asset);
        ArgumentOutOfRangeException.ThrowIfLessThan(DurableWithin, TimeSpan.FromSeconds(1));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(DurableWithin, TimeSpan.FromHours(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(SlotBytesMax, 64L << 20);
        var slot = SlotName;
        if (slot.Length is 0 or > 63 || slot.Any(letter => !char.IsAsciiLetterLower(letter) && !char.IsAsciiDigit(letter) && letter != '_'))
            throw new ArgumentException($"\"{slot}\" cannot be a slot's name: up to 63 lower-case letters, digits and underscores.");
    }
}
