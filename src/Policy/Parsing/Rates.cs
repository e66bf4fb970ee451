using System.Globalization;
using System.Text.RegularExpressions;

namespace Backup.Policy.Parsing;

/// <summary>Rates as people write them: a whole number, a unit and <c>/s</c>, such as <c>20MB/s</c>.</summary>
internal static partial class Rates
{
    public const string Form = "a rate such as 20MB/s (units: B, kB, MB, GB, TB of thousands; KiB, MiB, GiB, TiB of 1024; each per second)";

    private static readonly Dictionary<string, long> Units = new(StringComparer.Ordinal)
    {
        ["B"] = 1,
        ["kB"] = 1_000,
        ["MB"] = 1_000_000,
        ["GB"] = 1_000_000_000,
        ["TB"] = 1_000_000_000_000,
        ["KiB"] = 1L << 10,
        ["MiB"] = 1L << 20,
        ["GiB"] = 1L << 30,
        ["TiB"] = 1L << 40,
    };

    /// <summary>False for anything else and for zero.</summary>
    public static bool TryParse(string text, out long bytesPerSecond)
    {
        bytesPerSecond = 0;
        var match = Pattern().Match(text);
        if (!match.Success)
        {
            return false;
        }

        // Six digits of the largest unit stay far from overflow; the pattern allows no more.
        bytesPerSecond = long.Parse(match.Groups["number"].Value, CultureInfo.InvariantCulture) * Units[match.Groups["unit"].Value];
        return bytesPerSecond > 0;
    }

    [GeneratedRegex(@"\A(?<number>[0-9]{1,6})(?<unit>B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)/s\z", RegexOptions.ExplicitCapture)]
    private static partial Regex Pattern();
}
