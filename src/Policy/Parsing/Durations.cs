using System.Globalization;
using System.Text.RegularExpressions;

namespace Backup.Policy.Parsing;

/// <summary>Durations as people write them: one or more of <c>1w 2d 3h 4min 5s</c>, largest first, whole numbers.</summary>
internal static partial class Durations
{
    public const string Form = "a duration such as 15min, 1h, 1h30min or 7d (units: s, min, h, d, w; largest first)";

    /// <summary>False for anything else and for zero.</summary>
    public static bool TryParse(string text, out TimeSpan duration)
    {
        duration = TimeSpan.Zero;
        var match = Pattern().Match(text);
        if (!match.Success)
        {
            return false;
        }

        var seconds = 0L;
        foreach (var (unit, unitSeconds) in new[] { ("w", 604_800L), ("d", 86_400L), ("h", 3_600L), ("min", 60L), ("s", 1L) })
        {
            var digits = match.Groups[unit].Value;
            // Six digits of weeks stay far from overflow; the pattern allows no more.
            seconds += digits.Length == 0 ? 0 : long.Parse(digits, CultureInfo.InvariantCulture) * unitSeconds;
        }

        duration = TimeSpan.FromSeconds(seconds);
        return seconds > 0;
    }

    /// <summary>The shortest text that parses to the same duration; whole seconds only.</summary>
    public static string Format(TimeSpan duration)
    {
        var text = new System.Text.StringBuilder();
        var rest = (long)duration.TotalSeconds;
        foreach (var (unit, unitSeconds) in new[] { ("d", 86_400L), ("h", 3_600L), ("min", 60L), ("s", 1L) })
        {
            if (rest >= unitSeconds)
            {
                text.Append(CultureInfo.InvariantCulture, $"{rest / unitSeconds}{unit}");
                rest %= unitSeconds;
            }
        }

        return text.Length == 0 ? "0s" : text.ToString();
    }

    [GeneratedRegex(@"\A(?:(?<w>[0-9]{1,6})w)?(?:(?<d>[0-9]{1,6})d)?(?:(?<h>[0-9]{1,6})h)?(?:(?<min>[0-9]{1,6})min)?(?:(?<s>[0-9]{1,9})s)?\z", RegexOptions.ExplicitCapture)]
    private static partial Regex Pattern();
}
