using System.Runtime.CompilerServices;
using Shouldly;

namespace Backup.Cli.Tests;

/// <summary>
/// Texts people and scripts rely on, kept beside the tests. To accept changes: run with <c>UPDATE_GOLDEN=1</c> and read the diff.
/// </summary>
internal static class GoldenFile
{
    public static void ShouldMatchGolden(this string actual, string name, [CallerFilePath] string caller = "")
    {
        var path = Path.Combine(Path.GetDirectoryName(caller)!, "Golden", name + ".txt");
        if (Environment.GetEnvironmentVariable("UPDATE_GOLDEN") == "1")
        {
            File.WriteAllText(path, actual);
            return;
        }

        File.Exists(path).ShouldBeTrue($"there is no {path}; run with UPDATE_GOLDEN=1 to write it");
        actual.ShouldBe(File.ReadAllText(path).ReplaceLineEndings("\n"), customMessage: name);
    }
}
