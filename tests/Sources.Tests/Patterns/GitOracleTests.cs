using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using Backup.Services.Testing;
using Backup.Sources.Patterns;
using Backup.Sources.Posix;
using Shouldly;

namespace Backup.Sources.Tests.Patterns;

/// <summary>What an exclude pattern means is what git says it means: random trees and random patterns, judged by <c>git check-ignore</c>.</summary>
public sealed class GitOracleTests : IDisposable
{
    private static readonly string[] Names = ["a", "b", "ab", "a.b", "abc", "A", "1", "]", "-", "!a", "#a", "a b", "c ", "*", "a*", "b\\", "[a]", ".a", "^", "z_"];

    private static readonly string[] Pieces =
    [
        "a", "b", "ab", "c", ".", "1", "*", "**", "?", "[ab]", "[!a]", "[^ab]", "[a-c]", "[]a]", "[!]a]", "[a-]", "[-a]", "[[:alpha:]]", "[[:digit:]x]", "[![:upper:]]", "[\\]a]", "[\\a-\\c]",
        "[[:punct:]]", "\\a", "\\*", "\\[", "\\!", "\\#", "\\\\", "\\ ", " ", "#", "!", "-", "_", "^",
    ];

    private readonly ScratchFolder _scratch = new("gitoracle");

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void Excludes_OnRandomTreesAndPatterns_AgreesWithGit()
    {
        if (Run("git", ["--version"], "").Code != 0)
        {
            Assert.SkipUnless(Environment.GetEnvironmentVariable("CI") is not null, "git is not installed.");
        }

        for (var tree = 0; tree < 4; tree++)
        {
            var seed = Random.Shared.Next();
            var random = new Random(seed);
            var root = _scratch.Combine($"tree{tree}");
            var paths = Grow(root, random);
            Run("git", ["init", "-q", root], "").Code.ShouldBe(0);
            for (var round = 0; round < 40; round++)
            {
                var patterns = Enumerable.Range(0, random.Next(1, 5)).Select(_ => RandomPattern(random)).Where(IsComparable).ToList();
                File.WriteAllText(Path.Combine(root, ".git/info/exclude"), string.Join('\n', patterns) + "\n");
                var expected = IgnoredByGit(root, paths);
                var rules = new ExcludeRules(patterns.Select(p => Anchored(p, root)));
                var actual = paths.Where(p => IsExcluded(rules, root, p)).Select(p => p.Path).ToHashSet();
                actual.SetEquals(expected).ShouldBeTrue(
                    $"seed {seed}, round {round}, patterns [{string.Join(" | ", patterns)}]: only ours [{string.Join(", ", actual.Except(expected))}], only git's [{string.Join(", ", expected.Except(actual))}]");
            }
        }
    }

    private static bool IsComparable(string pattern)
    {
        // Git's documentation calls these two asterisks one; git itself compares the letters before them first, then takes what is left for "**/" at
        // the beginning: to it "a**/b" also means "ab". We keep to the documentation.
        if (Regex.IsMatch(pattern, @"(?<!^!?|/)\*\*"))
            return false;
        try
        {
            // Blank lines and comments mean nothing to either.
            return PathPattern.Parse(pattern) is not null;
        }
        catch (SourcesException)
        {
            // Git ignores what it cannot read; we refuse it, so that a typing error is not a silent backup of everything.
            return false;
        }
    }

    // To git a leading slash is the top of its tree; to a backup it is the top of the machine.
    private static string Anchored(string pattern, string root) =>
        pattern.StartsWith("!/", StringComparison.Ordinal) ? "!" + root + pattern[1..] : pattern.StartsWith('/') ? root + pattern : pattern;

    private static bool IsExcluded(ExcludeRules rules, string root, (string Path, bool IsDirectory) item)
    {
        for (var slash = item.Path.IndexOf('/', StringComparison.Ordinal); slash >= 0; slash = item.Path.IndexOf('/', slash + 1))
        {
            if (rules.Excludes(ByteText.Encode($"{root}/{item.Path[..slash]}"), root.Length, isDirectory: true))
                return true;
        }

        return rules.Excludes(ByteText.Encode($"{root}/{item.Path}"), root.Length, item.IsDirectory);
    }

    private static List<(string Path, bool IsDirectory)> Grow(string root, Random random)
    {
        var paths = new List<(string, bool)>();
        Directory.CreateDirectory(root);
        var folders = new List<string> { "" };
        while (paths.Count < 60)
        {
            var path = folders[random.Next(folders.Count)] + Names[random.Next(Names.Length)];
            if (Path.Exists(Path.Combine(root, path)))
                continue;
            var isDirectory = random.Next(3) == 0 && path.Count(c => c == '/') < 4;
            if (isDirectory)
                Directory.CreateDirectory(Path.Combine(root, path));
            else
                File.WriteAllText(Path.Combine(root, path), "");
            paths.Add((path, isDirectory));
            if (isDirectory)
                folders.Add(path + "/");
        }

        return paths;
    }

    private static string RandomPattern(Random random)
    {
        var text = new StringBuilder(random.Next(4) == 0 ? "!" : "");
        text.Append(random.Next(4) == 0 ? "/" : "");
        for (var components = random.Next(1, 4); components > 0; components--)
        {
            for (var pieces = random.Next(1, 4); pieces > 0; pieces--) text.Append(Pieces[random.Next(Pieces.Length)]);
            text.Append(components > 1 || random.Next(5) == 0 ? "/" : "");
        }

        return text.Append(random.Next(8) == 0 ? "  " : "").ToString();
    }

    private static HashSet<string> IgnoredByGit(string root, List<(string Path, bool IsDirectory)> paths)
    {
        var (code, output) = Run("git", ["-C", root, "-c", "core.excludesFile=/dev/null", "check-ignore", "--no-index", "--stdin", "-z"], string.Join('\0', paths.Select(p => p.Path)) + "\0");
        code.ShouldBeOneOf(0, 1);
        return [.. output.Split('\0', StringSplitOptions.RemoveEmptyEntries)];
    }

    private static (int Code, string Output) Run(string program, string[] arguments, string input)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true };
        using var process = Process.Start(start)!;
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output);
    }
}
