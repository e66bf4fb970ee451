using System.Text.RegularExpressions;
using Shouldly;

namespace Backup.Architecture.Tests;

/// <summary>Rules of STYLE.md and DESIGN.md that no analyzer checks.</summary>
public sealed partial class SourceRuleTests
{
    private static readonly string[] TopLevel =
    [
        "src", "tests", "infra", "BackupFunctions.sln", "host.json", "local.settings.sample.json", "README.md", "LICENSE",
        "Directory.Build.props", "Directory.Build.targets", "Directory.Packages.props", "BannedSymbols.txt", "global.json",
    ];

    [Fact]
    public void TopLevel_HoldsOnlyWhatTheDesignLists()
    {
        var generated = new[] { "out", "TestResults", "BenchmarkDotNet.Artifacts", "local.settings.json" };
        Directory.GetFileSystemEntries(Checkout.Root).Select(Path.GetFileName)
            .Where(name => !name!.StartsWith('.')).Except(TopLevel).Except(generated).ShouldBeEmpty();
    }

    [Fact]
    public void ConditionalCompilation_InFunctions_StandsOnlyInProgram() =>
        Sources("src/Functions").Where(f => Path.GetFileName(f) != "Program.cs" && File.ReadLines(f).Any(l => l.TrimStart().StartsWith("#if", StringComparison.Ordinal)))
            .ShouldBeEmpty();

    [Fact]
    public void Vault_NeverNamesTheAzureSdk() =>
        Sources("src/Vault").Where(f => File.ReadAllText(f).Contains("using Azure", StringComparison.Ordinal)).ShouldBeEmpty();

    [Fact]
    public void Catches_AreNeverEmpty() =>
        Sources("src").Where(f => EmptyCatch().IsMatch(File.ReadAllText(f))).ShouldBeEmpty("an empty catch swallows a failure: handle it, or say in a comment why nothing is lost");

    private static IEnumerable<string> Sources(string folder) =>
        Directory.EnumerateFiles(Path.Combine(Checkout.Root, folder), "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.Contains("/bin/", StringComparison.Ordinal) && !f.Contains("/obj/", StringComparison.Ordinal));

    [GeneratedRegex(@"catch\s*(\([^)]*\))?\s*(when\s*\([^)]*\)\s*)?\{\s*\}")]
    private static partial Regex EmptyCatch();
}
