using System.Globalization;

namespace Backup.Sources.Postgres.Proving;

/// <summary>The words before a command that make it run as the owner of a data directory, in a session of its own, and die with this process.</summary>
internal static class RunAs
{
    private const int ReadSearchCapability = 2;

    /// <summary><c>setsid setpriv …</c> (util-linux). Root gives up everything but, where a closed folder is on the way to the files, the right to pass it.</summary>
    /// <param name="owner">The account; null for this process's own.</param>
    /// <param name="paths">What it must reach.</param>
    internal static IEnumerable<string> Prefix((uint User, uint Group)? owner, IEnumerable<string> paths)
    {
        string[] identity = owner is not { } account ? [] :
        [
            string.Create(CultureInfo.InvariantCulture, $"--reuid={account.User}"), string.Create(CultureInfo.InvariantCulture, $"--regid={account.Group}"), "--clear-groups",
            .. paths.Any(IsBehindClosedFolder) && HoldsReadSearch() ? ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"] : (string[])["--inh-caps=-all", "--bounding-set=-all"],
        ];
        return ["setsid", "setpriv", .. identity, "--pdeathsig", "KILL", "--"];
    }

    private static bool IsBehindClosedFolder(string path)
    {
        for (var folder = Directory.GetParent(path); folder is not null; folder = folder.Parent)
        {
            if ((folder.UnixFileMode & UnixFileMode.OtherExecute) == 0)
                return true;
        }

        return false;
    }

    private static bool HoldsReadSearch()
    {
        const string field = "CapEff:";
        var held = File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith(field, StringComparison.Ordinal));
        return held is not null && (ulong.Parse(held.AsSpan(field.Length).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture) >> ReadSearchCapability & 1) != 0;
    }
}
