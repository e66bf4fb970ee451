using Microsoft.DurableTask.Worker;

namespace Backup.Standalone.Durable.Store;

/// <summary>Which work a worker claims: keys of kind, name and version, compared in the database.</summary>
internal sealed class WorkFilter(DurableTaskWorkerWorkItemFilters filters)
{
    /// <summary>Restricts a look at <c>dispatch</c>; the keys are parameter 3.</summary>
    public const string TurnCondition = """
        AND EXISTS (SELECT FROM instances i, LATERAL (SELECT CASE WHEN i.instance_id LIKE '@%' THEN 'e:' ELSE 'o:' END || lower(i.name) AS key) k
                    WHERE i.instance_id = dispatch.instance_id AND (k.key = ANY($3) OR k.key || chr(10) || i.version = ANY($3)))
        """;

    /// <summary>Restricts a look at <c>activities</c>; the keys are parameter 3.</summary>
    public const string ActivityCondition = "AND (lower(name) = ANY($3) OR lower(name) || chr(10) || version = ANY($3))";

    public string[] Turns { get; } =
    [
        .. filters.Orchestrations.SelectMany(o => Keys("o:", o.Name, o.Versions)),
        .. filters.Entities.SelectMany(e => Keys("e:", e.Name, [])),
    ];

    public string[] Activities { get; } = [.. filters.Activities.SelectMany(a => Keys(string.Empty, a.Name, a.Versions))];

    private static IEnumerable<string> Keys(string kind, string name, IReadOnlyList<string> versions)
    {
        var key = kind + name.ToLowerInvariant();
        return versions.Count == 0 ? [key] : versions.Select(version => $"{key}\n{version}");
    }
}
