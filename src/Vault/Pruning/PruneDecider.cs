using Backup.Vault.Indexing;
using Backup.Vault.Storage;

namespace Backup.Vault.Pruning;

/// <summary>Decides the fate of every pack. Pure: what is used, what is marked and the time are all it knows.</summary>
internal static class PruneDecider
{
    internal static PackFate Decide(PackUse pack, PruneMark? mark, DateTimeOffset now, TimeSpan grace, double wasteShareMax) => (pack, mark) switch
    {
        ({ LiveChunks: > 0 }, { }) => PackFate.Unmark,
        ({ LiveChunks: 0 }, { } m) when now - m.MarkedAt >= grace => PackFate.Delete,
        ({ LiveChunks: 0 }, { }) => PackFate.Wait,
        ({ LiveChunks: 0 }, null) => PackFate.Mark,
        _ when pack.LiveBytes < pack.PlainBytes * (1 - wasteShareMax) => PackFate.Repack,
        _ => PackFate.Keep,
    };

    /// <summary>Every stored pack's fate. Packs that no index lists are unused: a crashed writer's, or a running one's, which the grace protects.</summary>
    internal static List<PackDecision> DecideAll(IReadOnlyList<PackUse> indexed, IReadOnlyDictionary<ObjectName, long> stored, MarkSet marks, DateTimeOffset now, PruneRequest request)
    {
        var known = indexed.ToDictionary(p => p.Name);
        return [.. stored.Select(s =>
        {
            var use = known.TryGetValue(s.Key, out var u) ? u : new PackUse(s.Key, (uint)s.Value, 0, 0, 0);
            PruneMark? mark = marks.Marks.TryGetValue(s.Key, out var m) ? m : null;
            return new PackDecision(s.Key, Decide(use, mark, now, request.Grace, request.WasteShareMax), s.Value, use.PlainBytes == 0 ? 0 : (double)use.LiveBytes / use.PlainBytes) { LiveChunks = use.LiveChunks };
        })];
    }
}
