using Backup.Catalog;
using Backup.Catalog.Groups;
using Backup.Policy;

namespace Backup.Functions.Groups;

/// <summary>What the snapshots of a group's backup say about each other, so that a catalog that was lost learns again which of them are one point.</summary>
public static class GroupTags
{
    private const string Group = "group";
    private const string Point = "group-point";
    private const string Runs = "group-runs-";

    /// <summary>Runs in one tag: at most 100 characters each, and a tag holds 4,096 bytes.</summary>
    private const int RunsPerTag = 32;

    /// <summary>The tags of every member's snapshot.</summary>
    /// <param name="group">The group's name.</param>
    /// <param name="point">The group's backup.</param>
    /// <param name="runs">All members' runs, in the group's order.</param>
    public static Dictionary<string, string> Of(string group, string point, IEnumerable<string> runs)
    {
        ArgumentNullException.ThrowIfNull(runs);
        var tags = new Dictionary<string, string> { [Group] = group, [Point] = point };
        foreach (var (index, part) in runs.Chunk(RunsPerTag).Index())
        {
            tags[$"{Runs}{index + 1}"] = string.Join(' ', part);
        }

        return tags;
    }

    /// <summary>The group point that a snapshot says it belongs to; null when it says nothing. That the group stayed held until the last backup, no snapshot knows.</summary>
    public static NewGroupPoint? Find(IReadOnlyDictionary<string, string> tags, string actor)
    {
        ArgumentNullException.ThrowIfNull(tags);
        if (!tags.TryGetValue(Group, out var group) || !tags.TryGetValue(Point, out var point))
        {
            return null;
        }

        var runs = new List<RunId>();
        for (var part = 1; tags.TryGetValue($"{Runs}{part}", out var some); part++)
        {
            runs.AddRange(some.Split(' ').Select(run => new RunId(run)));
        }

        return new NewGroupPoint(new GroupPointId(point), new GroupName(group), actor, IsHeld: false, runs);
    }
}
