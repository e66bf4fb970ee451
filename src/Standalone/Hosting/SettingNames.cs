using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;

namespace Backup.Standalone;

/// <summary>Puts settings in place of their names between percent signs.</summary>
internal static partial class SettingNames
{
    /// <exception cref="StandaloneException">A named setting is not there.</exception>
    public static string Resolve(string text, IConfiguration configuration) => Pattern().Replace(text, match =>
    {
        var name = match.Groups[1].Value;
        return configuration[name] ?? configuration[name.Replace("__", ":", StringComparison.Ordinal)]
            ?? throw new StandaloneException(
                StandaloneFault.Configuration,
                $"The setting '{name}', which '{text}' names, is not set.",
                $"Set {name} in local.settings.json or in the environment.");
    });

    [GeneratedRegex("%([^%]+)%")]
    private static partial Regex Pattern();
}
