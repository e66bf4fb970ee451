using System.Diagnostics;
using System.Text.Json;
using Backup.Cli.Output;
using Shouldly;

namespace Backup.Cli.Tests;

/// <summary>What goes wrong at a terminal: mistyped patterns, keys that cannot be saved, odd names, outputs that close.</summary>
public sealed class OddCasesTests : IAsyncLifetime
{
    private readonly CliBench _bench = new();

    public async ValueTask InitializeAsync()
    {
        _bench.Write("data/docs/letter.txt", "dear reader\n");
        _bench.Write("data/docs/back\\slash", "x");
        await _bench.InitAsync();
    }

    public ValueTask DisposeAsync()
    {
        _bench.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Init_KeyThatCannotBeSaved_MakesNoVaultAndLeavesNoFile()
    {
        (await _bench.RunAsync("vault", "init", "--vault", _bench["other"], "--restore-key-file", _bench["new.key"], "--backup-key-file", _bench["nowhere/backup.key"])).ShouldEnd(ExitCode.NotFound);
        File.Exists(_bench["new.key"]).ShouldBeFalse();
        Directory.Exists(_bench["other"]).ShouldBeFalse();
        (await _bench.RunAsync("vault", "init", "--vault", _bench["vault"], "--restore-key-file", _bench["new.key"])).ShouldEnd(ExitCode.Conflict);
        File.Exists(_bench["new.key"]).ShouldBeFalse();
    }

    [Fact]
    public async Task KeyAdd_KeyThatCannotBeSaved_AddsNoSlot()
    {
        (await _bench.OnVaultAsync("vault", "key", "add", "--label", "lost", "--new-key-file", _bench["nowhere/new.key"])).ShouldEnd(ExitCode.NotFound);
        (await _bench.OnVaultAsync("vault", "key", "list")).Out.ShouldNotContain("lost");
    }

    [Fact]
    public async Task Passphrase_IsTheFirstLineOnly()
    {
        await _bench.BackUpAsync();
        _bench.Write("two.txt", "correct horse\nnot this\n");
        _bench.Write("one.txt", "correct horse");
        (await _bench.OnVaultAsync("vault", "key", "add", "--label", "p", "--new-passphrase-file", _bench["two.txt"])).ShouldEnd(ExitCode.Success);
        (await _bench.RunAsync("ls", "--vault", _bench["vault"], "--passphrase-file", _bench["one.txt"])).ShouldEnd(ExitCode.Success).Error.ShouldContain("accessible to everyone");
        _bench.Write("wrong.txt", "wrong horse");
        (await _bench.RunAsync("ls", "--vault", _bench["vault"], "--passphrase-file", _bench["wrong.txt"])).ShouldEnd(ExitCode.WrongKey);

        // Also where no key at all would do, and beside a variable that names nothing.
        _bench.Set("BACKUP_KEY_FILE", "");
        _bench.Set("BACKUP_PASSPHRASE_FILE", _bench["wrong.txt"]);
        (await _bench.RunAsync("vault", "verify", "--vault", _bench["vault"])).ShouldEnd(ExitCode.WrongKey);
    }

    [Fact]
    public async Task Restore_PatternOrFolderThatIsNotThere_IsNotFound()
    {
        await _bench.BackUpAsync();
        var none = (await _bench.OnVaultAsync("restore", "--asset", "docs", "--target", _bench["a"], "--include", "*.fitz")).ShouldEnd(ExitCode.NotFound);
        none.Error.ShouldContain("'*.fitz'");
        none.Out.ShouldBeEmpty("nothing was restored");
        (await _bench.OnVaultAsync("restore", "--asset", "docs", "--target", _bench["b"], "--subtree", "/no/such")).ShouldEnd(ExitCode.NotFound);
        (await _bench.OnVaultAsync("restore", "--asset", "docs", "--target", _bench["c"], "--include", "docs/*.txt")).ShouldEnd(ExitCode.Success);
        Directory.GetFiles(_bench["c"], "*", SearchOption.AllDirectories).ShouldHaveSingleItem().ShouldEndWith("/data/docs/letter.txt");
    }

    [Theory]
    [InlineData("backup", "", "--asset", "docs")]
    [InlineData("backup", "/tmp", "--asset", "")]
    [InlineData("backup-postgres", "--asset", "", "--connection-file", "/dev/null")]
    [InlineData("find", "")]
    [InlineData("restore", "--target", "")]
    [InlineData("snapshots", "--asset", "")]
    public async Task EmptyText_WhereverOneIsGiven_IsAUsageError(params string[] arguments) =>
        (await _bench.OnVaultAsync(arguments)).ShouldEnd(ExitCode.Usage).Error.ShouldContain("was given an empty text");

    [Fact]
    public async Task VaultVariable_ThatIsEmpty_NamesNoVault()
    {
        _bench.Set("BACKUP_VAULT", "");
        (await _bench.RunAsync("snapshots")).ShouldEnd(ExitCode.Usage).Error.ShouldContain("No vault is named.");
    }

    [Theory]
    [InlineData("vault", "init", "--json")]
    [InlineData("vault", "verify", "--sample", "much", "--json")]
    [InlineData("--json", "frobnicate")]
    public async Task Mistake_ForMachines_IsJson(params string[] arguments)
    {
        var told = JsonDocument.Parse((await _bench.RunAsync(arguments)).ShouldEnd(ExitCode.Usage).Error).RootElement;
        (told.GetProperty("error").GetString(), told.GetProperty("exitCode").GetInt32()).ShouldBe(("usage", 2));
        told.GetProperty("message").GetString().ShouldNotBeNull().ShouldNotContain("System.");
        told.GetProperty("hint").GetString().ShouldNotBeNull().ShouldContain("--help");
    }

    [Fact]
    public async Task WalGet_ThatFails_TellsMachinesTheCodeItEndsWith()
    {
        var told = (await _bench.RunAsync("wal", "get", "000000010000000000000001", _bench["out"], "--asset", "db", "--vault", _bench["nowhere"], "--key-file", _bench["restore.key"], "--json")).ShouldEnd(ExitCode.RecoveryMustStop).Error;
        JsonDocument.Parse(told).RootElement.GetProperty("exitCode").GetInt32().ShouldBe(200);
    }

    [Theory]
    [InlineData("vault", "prune", "--grace-days", "1e300")]
    [InlineData("vault", "prune", "--grace-days=-1")]
    [InlineData("vault", "prune", "--max-waste", "NaN")]
    [InlineData("wal", "receive", "--asset", "a", "--connection-file", "/dev/null", "--durable-within", "0")]
    [InlineData("wal", "receive", "--asset", "a", "--connection-file", "/dev/null", "--slot-max-mib", "17592186044516")] // in bytes it came out as 100 MiB
    [InlineData("backup-postgres", "--asset", "a", "--connection-file", "/dev/null", "--record-mib=-1")]
    public async Task Number_OutsideItsLimits_IsToldThem(params string[] arguments) =>
        (await _bench.OnVaultAsync(arguments)).ShouldEnd(ExitCode.Usage).Error.ShouldMatch("^backupctl: --[a-z-]+ takes [0-9.]+ to [0-9.]+\\.\nHint: See 'backupctl [a-z -]+ --help'\\.\n$");

    [Theory]
    [InlineData("find", "*.txt", "--all-snapshots", "--snapshot", "latest")]
    [InlineData("snapshots", "--passphrase-file", "/dev/null")]
    [InlineData("backup", "/tmp", "--asset", "a", "--no-cache", "--cache-folder", "/tmp")]
    public async Task Options_OfWhichOneWouldNotBeHeeded_AreRefusedTogether(params string[] arguments) =>
        (await _bench.OnVaultAsync(arguments)).ShouldEnd(ExitCode.Usage).Error.ShouldContain(" exclude each other.");

    [Fact]
    public async Task Copy_OntoTheVaultItself_IsRefused() =>
        (await _bench.OnVaultAsync("vault", "copy", "--to", _bench["vault"] + "/../vault")).ShouldEnd(ExitCode.Usage).Error.ShouldContain("is the vault itself");

    [Fact]
    public async Task Key_ThatIsTheLast_StaysInPlace()
    {
        (await _bench.OnVaultAsync("vault", "key", "remove", "2")).ShouldEnd(ExitCode.Success);
        (await _bench.OnVaultAsync("vault", "key", "remove", "1")).ShouldEnd(ExitCode.Conflict);
    }

    [Fact]
    public async Task Names_ThatAreKept_HoldNoControlCharacters()
    {
        (await _bench.OnVaultAsync("vault", "key", "add", "--label", "red\u001b[31m", "--new-key-file", _bench["red.key"])).ShouldEnd(ExitCode.Usage).Error.ShouldNotContain("\u001b");
        (await _bench.AsAgentAsync("backup", _bench["data"], "--asset", "two\nlines")).ShouldEnd(ExitCode.Usage);

        // Older vaults may hold such names.
        var lines = new StringWriter();
        var table = new TextTable("NAME");
        table.Add("red\u001b[31m");
        table.WriteTo(lines);
        lines.ToString().ShouldNotContain("\u001b");
    }

    [Fact]
    public async Task Identity_WhoseFilesAreTaken_IsAConflictAndLeavesNothing()
    {
        _bench.Write("taken", "mine");
        (await _bench.RunAsync("identity", "new", "--name", "lab", "--private", _bench["private"], "--public", _bench["taken"])).ShouldEnd(ExitCode.Conflict);
        File.Exists(_bench["private"]).ShouldBeFalse();
        (await _bench.RunAsync("identity", "new", "--name", "lab", "--private", _bench["taken"], "--public", _bench["public"])).ShouldEnd(ExitCode.Conflict);
        (await _bench.RunAsync("identity", "new", "--name", "lab", "--private", _bench["no/folder"], "--public", _bench["public"])).ShouldEnd(ExitCode.NotFound);
        File.ReadAllText(_bench["taken"]).ShouldBe("mine");
    }

    [Fact]
    public async Task Names_ThatAreNoTextOrHoldControlCharacters_AreShownUnmistakablyAndFoundAgain()
    {
        // The framework cannot make such names; a shell can.
        Process.Start("bash", ["-c", """cd "$1" && printf a > $'bad\xff' && printf b > $'bad\xfe' && ln -s $'\e[31mred' evil""", "-", _bench["data"]]).WaitForExit();
        await _bench.BackUpAsync();
        var listed = (await _bench.OnVaultAsync("ls", _bench["data"])).ShouldEnd(ExitCode.Success).Out;
        listed.ShouldContain("/bad\\xff");
        listed.ShouldContain("/bad\\xfe");
        listed.ShouldContain("-> \\x1b[31mred");
        listed.ShouldNotContain("\u001b");
        (await _bench.OnVaultAsync("cat", _bench["data"] + "/bad\\xff")).ShouldEnd(ExitCode.Success).Raw.ShouldBe("a"u8.ToArray());
        (await _bench.OnVaultAsync("cat", _bench["data"] + "/docs/back\\slash")).ShouldEnd(ExitCode.Success);
        var first = (await _bench.AsAgentAsync("snapshots", "--json")).Out.Trim();
        var id = JsonDocument.Parse(first).RootElement.GetProperty("id").GetString()!;
        var lines = (await _bench.OnVaultAsync("find", "bad*", "--all-snapshots", "--json")).ShouldEnd(ExitCode.Success).Out.Trim().Split('\n').Select(line => JsonDocument.Parse(line).RootElement).ToList();
        lines.ShouldAllBe(line => line.GetProperty("snapshotId").GetString() == id);
        lines.Select(line => Convert.FromBase64String(line.GetProperty("pathBase64").GetString()!)[^1]).ShouldBe([(byte)0xFE, (byte)0xFF]);
        (await _bench.OnVaultAsync("find", "bad\\xff")).ShouldEnd(ExitCode.Success).Out.Trim().ShouldEndWith("/bad\\xff");
        (await _bench.OnVaultAsync("find", "*/back\\x5c*")).ShouldEnd(ExitCode.Success).Out.Trim().ShouldEndWith("/back\\x5cslash");

        Process.Start("bash", ["-c", """cd "$1" && rm $'bad\xff'""", "-", _bench["data"]]).WaitForExit();
        await _bench.BackUpAsync();
        (await _bench.OnVaultAsync("diff", id, "--asset", "docs")).ShouldEnd(ExitCode.Success).Out.Trim().ShouldBe($"- {_bench["data"]}/bad\\xff");

        // Nor can it remove them.
        Process.Start("rm", ["-r", _bench["data"]]).WaitForExit();
    }

    [Theory]
    [InlineData(32, 141, "")] // nobody reads any more: nothing to tell
    [InlineData(28, 17, "backupctl: Standard output cannot be written.\n")]
    public async Task Output_ThatCannotBeWritten_IsNoSuccess(int error, int expected, string told)
    {
        var errors = new StringWriter();
        var terminal = new Terminal
        {
            Out = new StreamWriter(new FailingStream(error)),
            Error = errors,
            OpenRawOut = () => new FailingStream(error),
            In = TextReader.Null,
            ShowsProgress = false,
            Environment = _ => null,
            Time = TimeProvider.System,
        };
        (await Backupctl.RunAsync(["completion", "bash"], terminal, TestContext.Current.CancellationToken)).ShouldBe(expected);
        errors.ToString().ReplaceLineEndings("\n").ShouldBe(told);
    }

    [Theory]
    [InlineData("2>/dev/full")]
    [InlineData("2>&-")]
    [InlineData(">&- 2>&-")]
    [InlineData("<&- >&- 2>&-")]
    public async Task Errors_ThatCannotBeWritten_ChangeNoExitCode(string redirection)
    {
        using var shell = Process.Start("sh", ["-c", $"\"$@\" {redirection}", "-", .. ProgramUnderTest.CommandLine, "frobnicate"]);
        await shell.WaitForExitAsync(TestContext.Current.CancellationToken);
        shell.ExitCode.ShouldBe((int)ExitCode.Usage);
    }

    [Theory]
    [InlineData(0, "0 files")]
    [InlineData(1, "1 file")]
    [InlineData(1234, "1,234 files")]
    public void Count_OfThings_HasASingular(long count, string expected) => Figures.Count(count, "file").ShouldBe(expected);

    private sealed class FailingStream(int error) : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer) => throw new IOException("Standard output cannot be written.", error);

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));
    }
}
