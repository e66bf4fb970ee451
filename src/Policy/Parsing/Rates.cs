using System.Globalization;
using System.Text.RegularExpressions;

namespace Backup.Policy.Parsing;

/// <summary>Sizes and rates as people write them: a whole number and a unit, <c>500GB</c> or <c>20MB/s</c>.</summary>
internal static partial class Rates
{
    public const string SizeForm = "a size such as 500GB or 4TiB (units: B, kB, MB, GB, TB of thousands; KiB, MiB, GiB, TiB of 1024)";
    public const string RateForm = "a rate such as 20MB/s (units: B, kB, MB, GB, TB of thousands; KiB, MiB, GiB, TiB of 1024; each per second)";

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
    public static bool TryParseSize(string text, out long bytes)
    {
        bytes = 0;
        var match = SizePattern().Match(text);
        if (!match.Success)
        {
            return false;
        }

        // Six digits of the largest unit stay far from overflow; the pattern allows no more.
        bytes = long.Parse(match.Groups["number"].Value, CultureInfo.InvariantCulture) * Units[match.Groups["unit"].Value];
        return bytes > 0;
    }

    /// <summary>False for anything else and for zero.</summary>
    public static bool TryParseRate(string text, out long bytesPerSecond)
    {
        bytesPerSecond = 0;
        return text.EndsWith("/s", StringComparison.Ordinal) && TryParseSize(text[..^2], out bytesPerSecond);
    }

    [GeneratedRegex(@"\A(?<number>[0-9]{1,6})(?<unit>B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)\z", RegexOptions.ExplicitCapture)]
    private static partial Regex SizePattern();
}
