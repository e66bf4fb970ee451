using Backup.Agent.Settings;
using Backup.AgentApi;
using Backup.Sources.Postgres.Wal;

namespace Backup.Agent.Wal;

/// <summary>What is known of every received log, for whoever asks how much would be lost now.</summary>
internal sealed class RpoBoard(AgentSettings settings, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _entries = settings.WalReceivers.ToDictionary(wal => wal.Asset, _ => new Entry(), StringComparer.Ordinal);

    public RpoReadings Read()
    {
        lock (_lock)
        {
            return new RpoReadings
            {
                Readings = [.. _entries.OrderBy(entry => entry.Key, StringComparer.Ordinal).Select(entry => new RpoReading
                {
                    Asset = entry.Key,
                    AgeSeconds = entry.Value.Restorable is { } restorable ? (restorable.Age + time.GetElapsedTime(restorable.HeardAt)).TotalSeconds : null,
                    DurableLsn = entry.Value.Status?.Durable.ToString(),
                    ServerLsn = entry.Value.Status?.Server?.ToString(),
                    SlotBytes = entry.Value.Status?.SlotBytes,
                    Problem = entry.Value.Problem,
                })],
            };
        }
    }

    public void Take(string asset, WalStatus status)
    {
        lock (_lock)
        {
            var entry = _entries[asset];
            entry.Status = status;
            // Log without a base backup before it restores nothing, however new it is.
            if (!entry.LacksBaseBackup && status.Age is { } age)
            {
                entry.Restorable = (age, time.GetTimestamp());
            }
        }
    }

    /// <summary>No base backup leads into the log (true), or one does.</summary>
    public void LacksBaseBackup(string asset, bool lacks)
    {
        lock (_lock)
        {
            _entries[asset].LacksBaseBackup = lacks;
        }
    }

    /// <summary>Something stands in the way, or with null nothing does any more.</summary>
    public void SetProblem(string asset, string? problem)
    {
        lock (_lock)
        {
            _entries[asset].Problem = problem;
        }
    }

    private sealed class Entry
    {
        public WalStatus? Status { get; set; }

        /// <summary>How old the newest restorable moment was when that was last heard. It ages by a clock that nobody sets.</summary>
        public (TimeSpan Age, long HeardAt)? Restorable { get; set; }

        public bool LacksBaseBackup { get; set; }

        public string? Problem { get; set; }
    }
}
