using System.Globalization;
using System.Text;

namespace Backup.Sources.Postgres;

/// <summary>The file <c>tablespace_map</c>: lines of an object id, a space and a path in which a backslash escapes line ends and itself.</summary>
internal static class TablespaceMap
{
    /// <summary>The same map with new places.</summary>
    /// <exception cref="SourcesException">DataDamaged: a line cannot be read or names a tablespace that the snapshot does not have.</exception>
    internal static string Rewrite(string map, IReadOnlyDictionary<uint, string> locations)
    {
        var rewritten = new StringBuilder();
        foreach (var line in Lines(map))
        {
            var space = line.IndexOf(' ', StringComparison.Ordinal);
            if (space < 1 || !uint.TryParse(line.AsSpan(0, space), NumberStyles.None, CultureInfo.InvariantCulture, out var objectId) || !locations.TryGetValue(objectId, out var location))
                throw new SourcesException(SourcesFault.DataDamaged, $"The tablespace map's line \"{line}\" fits no tablespace of the snapshot.", "Use another snapshot.");
            rewritten.Append(CultureInfo.InvariantCulture, $"{objectId} {Escape(location)}\n");
        }

        return rewritten.ToString();
    }

    private static List<string> Lines(string map)
    {
        var lines = new List<string>();
        var line = new StringBuilder();
        for (var i = 0; i < map.Length; i++)
        {
            if (map[i] == '\\' && i + 1 < map.Length)
            {
                line.Append(map[i]).Append(map[++i]);
            }
            else if (map[i] == '\n')
            {
                lines.Add(line.ToString());
                line.Clear();
            }
            else
            {
                line.Append(map[i]);
            }
        }

        if (line.Length > 0)
            lines.Add(line.ToString());
        return lines;
    }

    private static string Escape(string path) =>
        path.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\\n", StringComparison.Ordinal).Replace("\r", "\\\r", StringComparison.Ordinal);
}
