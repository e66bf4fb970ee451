using System.CommandLine;
using Backup.Cli.Output;
using Shouldly;

namespace Backup.Cli.Tests;

public sealed class HelpTests : IDisposable
{
    private readonly CliBench _bench = new();

    public static TheoryData<string> Commands => [.. Walk(Backupctl.CreateRoot(new CliContext(Terminal.OfProcess())), "")];

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task Help_OfEveryCommand_IsItsGoldenFile(string command)
    {
        var result = await _bench.RunAsync([.. command.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--help"]);

        result.ShouldEnd(ExitCode.Success);
        // The program's name is that of the process, which is the test's here.
        result.Out.Replace("Backup.Cli.Tests", "backupctl", StringComparison.Ordinal).ShouldMatchGolden(command.Length == 0 ? "help" : $"help-{command.Replace(' ', '-')}");
    }

    [Theory]
    [InlineData("vault init"), InlineData("vault stats"), InlineData("vault prune"), InlineData("vault verify"), InlineData("vault repair"), InlineData("vault rebuild-index")]
    [InlineData("vault copy"), InlineData("vault key"), InlineData("backup"), InlineData("snapshots"), InlineData("ls"), InlineData("find"), InlineData("diff"), InlineData("restore"), InlineData("cat")]
    [InlineData("store probe"), InlineData("identity new"), InlineData("completion"), InlineData("agent list"), InlineData("agent show"), InlineData("agent invite")]
    [InlineData("agent rotate-key"), InlineData("agent revoke-key"), InlineData("control-plane keys"), InlineData("control-plane announce-key"), InlineData("control-plane revoke-key")]
    [InlineData("archive-restore plan"), InlineData("archive-restore list"), InlineData("archive-restore show"), InlineData("archive-restore approve"), InlineData("archive-restore start")]
    [InlineData("archive-restore cancel"), InlineData("locks"), InlineData("dump-postgres"), InlineData("restore-dump")]
    public void Spelling_OfEveryPromisedCommand_Exists(string command) => Commands.Select(row => row.Data).ShouldContain(command);

    [Theory]
    [InlineData("unknown-command", "frobnicate")]
    [InlineData("unknown-option", "snapshots", "--colour")]
    [InlineData("missing-option", "backup", "/data")]
    [InlineData("missing-command", "vault")]
    [InlineData("bad-depth", "vault", "verify", "--depth", "deep")]
    [InlineData("no-vault-named", "snapshots")]
    [InlineData("no-key-named", "snapshots", "--vault", "/nowhere")]
    [InlineData("bad-tag", "backup", "/data", "--asset", "a", "--tag", "novalue", "--vault", "/nowhere", "--key-file", "/none")]
    [InlineData("bad-sample", "vault", "verify", "--sample", "0", "--vault", "/nowhere", "--key-file", "/none")]
    [InlineData("url-with-sas", "snapshots", "--vault", "https://acc.blob.core.windows.net/vault?sig=topsecret", "--key-file", "/none")]
    public async Task Mistake_OnTheCommandLine_IsItsGoldenFile(string name, params string[] arguments)
    {
        var result = await _bench.RunAsync(arguments);

        result.Out.ShouldBeEmpty();
        result.Error.ShouldNotContain("topsecret");
        $"exit code {result.Code}\n{result.Error}".ShouldMatchGolden($"mistake-{name}");
    }

    [Theory]
    [InlineData("bash", "complete -o filenames -F _backupctl_complete backupctl")]
    [InlineData("zsh", "compdef _backupctl backupctl")]
    [InlineData("fish", "complete -c backupctl")]
    public async Task Completion_ForEachShell_IsAScript(string shell, string holds) =>
        (await _bench.RunAsync("completion", shell)).ShouldEnd(ExitCode.Success).Out.ShouldContain(holds);

    [Fact]
    public async Task Version_IsPrintedAlone() => (await _bench.RunAsync("--version")).ShouldEnd(ExitCode.Success).Out.ShouldBe("0.1.0\n");

    [Fact]
    public async Task Suggest_AfterVault_OffersItsCommands()
    {
        var line = "backupctl vault ";
        var result = await _bench.RunAsync($"[suggest:{line.Length}]", line);

        result.Out.Split('\n').ShouldContain("verify");
        result.Out.Split('\n').ShouldContain("rebuild-index");
        result.Out.ShouldNotContain("/");
    }

    [Theory]
    [InlineData("/h")]
    [InlineData("/?")]
    public async Task HelpTheWindowsWay_IsAWordLikeAnyOther(string word) => (await _bench.RunAsync("completion", word)).ShouldEnd(ExitCode.Usage).Error.ShouldContain(word);

    public void Dispose() => _bench.Dispose();

    private static IEnumerable<string> Walk(Command command, string path)
    {
        yield return path;
        foreach (var below in command.Subcommands.SelectMany(sub => Walk(sub, $"{path} {sub.Name}".Trim())))
        {
            yield return below;
        }
    }
}
