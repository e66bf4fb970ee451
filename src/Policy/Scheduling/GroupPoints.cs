namespace Backup.Policy.Scheduling;

/// <summary>A recovery point of one member of a group.</summary>
/// <param name="Asset">The member.</param>
/// <param name="Slot">The minute whose fleet made it; members that started together share it.</param>
/// <param name="RecoveryPoint">Its id.</param>
/// <param name="Instant">Its moment of consistency.</param>
public sealed record MemberPoint(AssetName Asset, string Slot, string RecoveryPoint, DateTimeOffset Instant);

/// <summary>One recovery point of a whole group.</summary>
/// <param name="Slot">The minute its backups started.</param>
/// <param name="Members">One point of each member, in the group's order.</param>
/// <param name="Oldest">The earliest moment of consistency: nothing later is promised of the whole.</param>
/// <param name="Newest">The latest one; how far the members are apart.</param>
public sealed record GroupPoint(string Slot, IReadOnlyList<MemberPoint> Members, DateTimeOffset Oldest, DateTimeOffset Newest);

/// <summary>Puts members' points together. Pure.</summary>
public static class GroupPoints
{
    /// <summary>The slots of which every member has a point, newest first. A member's second point of a slot counts for nothing.</summary>
    public static IReadOnlyList<GroupPoint> Complete(AssetGroup group, IEnumerable<MemberPoint> points)
    {
        var complete = new List<GroupPoint>();
        foreach (var slot in points.GroupBy(p => p.Slot, StringComparer.Ordinal))
        {
            var byAsset = slot.OrderBy(p => p.Instant).DistinctBy(p => p.Asset).ToDictionary(p => p.Asset);
            if (group.Assets.All(byAsset.ContainsKey))
            {
                var members = group.Assets.Select(a => byAsset[a]).ToArray();
                complete.Add(new GroupPoint(slot.Key, members, members.Min(m => m.Instant), members.Max(m => m.Instant)));
            }
        }

        return [.. complete.OrderByDescending(p => p.Oldest).ThenByDescending(p => p.Slot, StringComparer.Ordinal)];
    }
}
