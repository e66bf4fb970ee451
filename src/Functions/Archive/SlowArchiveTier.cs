using System.Collections.Concurrent;
using Backup.Policy.Archive;

namespace Backup.Functions.Archive;

/// <summary>
/// Makes an emulator as slow as the real archive tier: Azurite completes every copy at once, so what is asked for is passed on only when its time has come. A
/// process that starts again has forgotten what was asked for, as if the storage had failed those copies: it is asked again.
/// </summary>
/// <param name="inner">The storage.</param>
/// <param name="delayOf">How long a copy takes.</param>
/// <param name="clock">The time that passes.</param>
public sealed class SlowArchiveTier(IArchiveTier inner, Func<RehydrationPriority, TimeSpan> delayOf, TimeProvider clock) : IArchiveTier
{
    private readonly ConcurrentDictionary<(ArchivePlace Place, string Pack), (DateTimeOffset Due, RehydrationPriority Priority)> _underWay = [];

    /// <inheritdoc/>
    public async Task<IReadOnlyDictionary<string, ArchivedPackState>> LookAsync(ArchivePlace place, CancellationToken cancel)
    {
        var now = clock.GetUtcNow();
        foreach (var due in _underWay.Where(p => p.Key.Place == place && p.Value.Due <= now).GroupBy(p => p.Value.Priority).ToArray())
        {
            await inner.RequestAsync(place, [.. due.Select(p => p.Key.Pack)], due.Key, cancel).ConfigureAwait(false);
            foreach (var (key, _) in due)
            {
                _underWay.TryRemove(key, out _);
            }
        }

        return (await inner.LookAsync(place, cancel).ConfigureAwait(false)).ToDictionary(
            p => p.Key, p => _underWay.ContainsKey((place, p.Key)) ? p.Value with { Presence = ArchivePresence.Rehydrating } : p.Value, StringComparer.Ordinal);
    }

    /// <inheritdoc/>
    public Task RequestAsync(ArchivePlace place, IReadOnlyList<string> packs, RehydrationPriority priority, CancellationToken cancel)
    {
        foreach (var pack in packs)
        {
            _underWay.TryAdd((place, pack), (clock.GetUtcNow() + delayOf(priority), priority));
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task RemoveCopiesAsync(ArchivePlace place, IReadOnlyList<string> packs, CancellationToken cancel)
    {
        foreach (var pack in packs)
        {
            _underWay.TryRemove((place, pack), out _);
        }

        return inner.RemoveCopiesAsync(place, packs, cancel);
    }
}
