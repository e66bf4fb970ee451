namespace Backup.Agent.Access;

/// <summary>Where a path really leads, with every symbolic link on the way followed.</summary>
internal static class RealPath
{
    private const int LinksMax = 40;

    /// <summary>
    /// The path with the links of all existing parts resolved; parts that do not exist yet are kept as they are. The last part
    /// is resolved only when <paramref name="followLast"/> is set.
    /// </summary>
    /// <exception cref="IOException">A loop of links, or the file system refused.</exception>
    public static string Resolve(string path, bool followLast)
    {
        var parts = new Stack<string>(Parts(path).Reverse());
        var real = "/";
        for (var links = 0; parts.TryPop(out var part);)
        {
            if (part == "..")
            {
                real = Path.GetDirectoryName(real) ?? "/"; // Out of a link's target: as the kernel does it, after following.
                continue;
            }

            var next = Path.Combine(real, part);
            if ((parts.Count > 0 || followLast) && new FileInfo(next).LinkTarget is { } target)
            {
                if (++links > LinksMax)
                {
                    throw new IOException($"{path} leads through too many symbolic links.");
                }

                real = Path.IsPathRooted(target) ? "/" : real;
                foreach (var below in Parts(target).Reverse())
                {
                    parts.Push(below);
                }

                continue;
            }

            real = next;
        }

        return real;
    }

    private static IEnumerable<string> Parts(string path) => path.Split('/', StringSplitOptions.RemoveEmptyEntries).Where(part => part != ".");
}
