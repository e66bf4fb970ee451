using System.Text.RegularExpressions;
using Shouldly;

namespace Backup.Architecture.Tests;

/// <summary>A threat without a test is a promise nobody keeps.</summary>
public sealed partial class ThreatTableTests
{
    [Fact]
    public void EveryRow_NamesTestsThatExist()
    {
        var rows = File.ReadAllLines(Path.Combine(Checkout.Root, "src", "AgentApi", "THREATS.md")).Where(l => l.StartsWith("| ", StringComparison.Ordinal)).Skip(1).ToList();
        rows.Count.ShouldBeGreaterThan(10);
        var missing = rows.SelectMany(row =>
        {
            var named = TestName().Matches(row.TrimEnd('|', ' ').Split('|')[^1]).Select(m => (Class: m.Groups[1].Value, Method: m.Groups[2].Value)).ToList();
            return named.Count == 0 ? [$"no test: {row}"] : named.Where(t => !Exists(t.Class, t.Method)).Select(t => $"{t.Class}.{t.Method}");
        });
        missing.ShouldBeEmpty();
    }

    private static bool Exists(string testClass, string method) =>
        Directory.EnumerateFiles(Path.Combine(Checkout.Root, "tests"), $"{testClass}.cs", SearchOption.AllDirectories)
            .Any(file => Regex.IsMatch(File.ReadAllText(file), $@"\[(Fact|Theory)[^\n]*\]\s(\s*\[[^\n]*\]\s)*\s*public [^\n]* {method}\("));

    [GeneratedRegex(@"`(\w+)\.(\w+)`")]
    private static partial Regex TestName();
}
