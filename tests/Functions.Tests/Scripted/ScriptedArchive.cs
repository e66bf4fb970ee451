using System.Collections.Concurrent;
using Backup.Functions.Archive;
using Backup.Policy.Archive;

namespace Backup.Functions.Tests.Scripted;

/// <summary>An archive tier whose packs come back when the test says so; the real one is tested against Azurite.</summary>
internal sealed class ScriptedArchive : IArchiveTier
{
    private readonly ConcurrentDictionary<string, ArchivedPackState> _packs = [];

    /// <summary>Every request, in order.</summary>
    public ConcurrentQueue<(string[] Packs, RehydrationPriority Priority)> Requests { get; } = [];

    public ConcurrentQueue<string> Removed { get; } = [];

    /// <summary>The next looks fail.</summary>
    public ControlPlaneException? Refusal { get; set; }

    /// <summary>Why copies of these packs cannot be removed; null when they can.</summary>
    public Func<IReadOnlyList<string>, ControlPlaneException?> RemovalFails { get; set; } = _ => null;

    public int Looks;

    public void Add(string pack, long bytes, ArchivePresence presence = ArchivePresence.Archived) => _packs[pack] = new ArchivedPackState(bytes, presence);

    public void Set(string pack, ArchivePresence presence) => _packs[pack] = _packs[pack] with { Presence = presence };

    public void Lose(string pack) => _packs.TryRemove(pack, out _);

    public ArchivePresence PresenceOf(string pack) => _packs[pack].Presence;

    public Task<IReadOnlyDictionary<string, ArchivedPackState>> LookAsync(ArchivePlace place, CancellationToken cancel)
    {
        Interlocked.Increment(ref Looks);
        return Refusal is { } refusal
            ? Task.FromException<IReadOnlyDictionary<string, ArchivedPackState>>(refusal)
            : Task.FromResult<IReadOnlyDictionary<string, ArchivedPackState>>(new Dictionary<string, ArchivedPackState>(_packs));
    }

    public Task RequestAsync(ArchivePlace place, IReadOnlyList<string> packs, RehydrationPriority priority, CancellationToken cancel)
    {
        Requests.Enqueue(([.. packs], priority));
        foreach (var pack in packs)
        {
            Set(pack, ArchivePresence.Rehydrating);
        }

        return Task.CompletedTask;
    }

    public Task RemoveCopiesAsync(ArchivePlace place, IReadOnlyList<string> packs, CancellationToken cancel)
    {
        if (RemovalFails(packs) is { } refusal)
        {
            return Task.FromException(refusal);
        }

        foreach (var pack in packs)
        {
            Removed.Enqueue(pack);
            Set(pack, ArchivePresence.Archived);
        }

        return Task.CompletedTask;
    }
}
