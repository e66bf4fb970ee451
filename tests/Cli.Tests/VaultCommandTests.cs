using System.Text.Json;
using Backup.Cli.Snapshots;
using Shouldly;

namespace Backup.Cli.Tests;

/// <summary>Real commands on real vaults.</summary>
public sealed class VaultCommandTests : IAsyncLifetime
{
    private readonly CliBench _bench = new();

    public async ValueTask InitializeAsync()
    {
        _bench.Write("data/letter.txt", "dear reader\n");
        _bench.Write("data/sub/table.csv", string.Join('\n', Enumerable.Range(0, 20_000)));
        File.CreateSymbolicLink(_bench["data/sub/link"], "table.csv");
        await _bench.InitAsync();
    }

    public ValueTask DisposeAsync()
    {
        _bench.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task BackupAndRestore_ATree_BringsItBack()
    {
        await _bench.BackUpAsync();

        var result = await _bench.OnVaultAsync("restore", "--snapshot", "latest", "--asset", "docs", "--target", _bench["out"]);

        result.ShouldEnd(ExitCode.Success).Out.ShouldStartWith("Restored ");
        var back = _bench["out"] + _bench["data"];
        File.ReadAllText(back + "/letter.txt").ShouldBe("dear reader\n");
        File.ReadAllBytes(back + "/sub/table.csv").ShouldBe(File.ReadAllBytes(_bench["data/sub/table.csv"]));
        new FileInfo(back + "/sub/link").LinkTarget.ShouldBe("table.csv");
        result.Error.ShouldNotContain("Restoring", Case.Sensitive, "a pipe sees no progress");
    }

    [Fact]
    public async Task Restore_OnlyWhatIsIncluded_AndInTwoSteps()
    {
        await _bench.BackUpAsync();

        (await _bench.OnVaultAsync("restore", "--asset", "docs", "--target", _bench["out"], "--include", "*.txt")).ShouldEnd(ExitCode.Success);
        Directory.GetFiles(_bench["out"], "*", SearchOption.AllDirectories).ShouldHaveSingleItem().ShouldEndWith("/data/letter.txt");
        (await _bench.OnVaultAsync("restore", "--asset", "docs", "--target", _bench["out"])).ShouldEnd(ExitCode.TargetNotEmpty);
        var dry = (await _bench.OnVaultAsync("restore", "--asset", "docs", "--target", _bench["out"], "--overwrite", "--dry-run", "--json")).ShouldEnd(ExitCode.Success);
        var plan = JsonDocument.Parse(dry.Out).RootElement;
        (plan.GetProperty("dryRun").GetBoolean(), plan.GetProperty("filesRestored").GetInt64(), plan.GetProperty("filesUnchanged").GetInt64()).ShouldBe((true, 2, 1));
        Directory.GetFiles(_bench["out"], "*", SearchOption.AllDirectories).Length.ShouldBe(1);
    }

    [Fact]
    public async Task Browse_WithEachCommand_ShowsTheSnapshot()
    {
        var first = await _bench.BackUpAsync();
        _bench.Write("data/letter.txt", "dear new reader\n");
        _bench.Write("data/extra.txt", "x");
        File.Delete(_bench["data/sub/link"]);
        var second = await _bench.BackUpAsync();

        var list = (await _bench.AsAgentAsync("snapshots", "--asset", "docs", "--json")).ShouldEnd(ExitCode.Success).Out.Trim().Split('\n');
        list.Select(line => JsonDocument.Parse(line).RootElement.GetProperty("id").GetString()).ShouldBe([first, second]);
        (await _bench.OnVaultAsync("ls", _bench["data"], "--snapshot", first[..8])).ShouldEnd(ExitCode.Success).Out.Trim().Split('\n').Length.ShouldBe(2);
        (await _bench.OnVaultAsync("ls", "-r", _bench["data"])).Out.ShouldContain("/data/sub/table.csv");
        (await _bench.OnVaultAsync("find", "*.csv")).ShouldEnd(ExitCode.Success).Out.Trim().ShouldEndWith("/data/sub/table.csv");
        (await _bench.OnVaultAsync("find", "*.csv", "--all-snapshots")).Out.Trim().Split('\n').Length.ShouldBe(2);
        (await _bench.OnVaultAsync("find", "*.none")).ShouldEnd(ExitCode.NotFound).Error.ShouldContain("Nothing fits '*.none'.");
        _bench.Neutral((await _bench.OnVaultAsync("diff", first, "latest")).ShouldEnd(ExitCode.Success).Out)
            .ShouldBe("+ <root>/data/extra.txt\nM <root>/data/letter.txt\n- <root>/data/sub/link\n");
        (await _bench.OnVaultAsync("cat", _bench["data/letter.txt"], "--snapshot", first)).ShouldEnd(ExitCode.Success).Raw.ShouldBe("dear reader\n"u8.ToArray());
        (await _bench.OnVaultAsync("cat", _bench["data"])).ShouldEnd(ExitCode.Usage);
        (await _bench.OnVaultAsync("cat", "/")).ShouldEnd(ExitCode.Usage);
        (await _bench.OnVaultAsync("cat", "/none")).ShouldEnd(ExitCode.NotFound);
    }

    [Fact]
    public async Task Snapshots_OfOneAsset_NameTheOneBefore()
    {
        var first = await _bench.BackUpAsync();
        var other = await _bench.BackUpAsync("other");
        var second = await _bench.BackUpAsync();

        var lines = (await _bench.AsAgentAsync("snapshots", "--json")).ShouldEnd(ExitCode.Success).Out.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var parents = lines.Select(line => JsonDocument.Parse(line).RootElement).ToDictionary(s => s.GetProperty("id").GetString()!, s => s.TryGetProperty("parent", out var parent) ? parent.GetString() : null);
        parents[first].ShouldBeNull();
        parents[other].ShouldBeNull();
        parents[second].ShouldBe(first);
    }

    [Fact]
    public async Task Cat_SparseFile_HoldsItsHolesAsZeros()
    {
        using (var file = new FileStream(_bench["data/sparse"], FileMode.Create))
        {
            file.SetLength(3 << 20);
            file.Position = 1 << 20;
            file.Write("island"u8);
        }

        await _bench.BackUpAsync();

        (await _bench.OnVaultAsync("cat", _bench["data/sparse"])).Raw.ShouldBe(File.ReadAllBytes(_bench["data/sparse"]));
    }

    [Fact]
    public async Task Key_OfEachKind_OpensWhatItMay()
    {
        await _bench.BackUpAsync();

        (await _bench.AsAgentAsync("ls")).ShouldEnd(ExitCode.KeyRole);
        _bench.Set("BACKUP_KEY_FILE", _bench["restore.key"]);
        _bench.Set("BACKUP_VAULT", _bench["vault"]);
        (await _bench.RunAsync("ls")).ShouldEnd(ExitCode.Success);
        (await _bench.RunAsync("vault", "init", "--vault", _bench["other"], "--restore-key-file", _bench["other.key"])).ShouldEnd(ExitCode.Success);
        (await _bench.RunAsync("ls", "--key-file", _bench["other.key"])).ShouldEnd(ExitCode.WrongKey);
        (await _bench.RunAsync("ls", "--vault", _bench["nowhere"])).ShouldEnd(ExitCode.NoVault);
        (await _bench.RunAsync("ls", "--key-file", _bench["none.key"])).ShouldEnd(ExitCode.NotFound);
        _bench.Write("junk.key", "not a key");
        File.SetUnixFileMode(_bench["junk.key"], UnixFileMode.UserRead | UnixFileMode.UserWrite);
        (await _bench.RunAsync("ls", "--key-file", _bench["junk.key"])).ShouldEnd(ExitCode.WrongKey);
    }

    [Fact]
    public async Task Keys_AddedRemovedRotated_OpenAccordingly()
    {
        await _bench.BackUpAsync();
        _bench.Write("pass.txt", "correct horse battery staple\n");

        (await _bench.OnVaultAsync("vault", "key", "add", "--label", "spare", "--new-key-file", _bench["spare.key"])).ShouldEnd(ExitCode.Success);
        (await _bench.OnVaultAsync("vault", "key", "add", "--label", "head", "--new-passphrase-file", _bench["pass.txt"])).ShouldEnd(ExitCode.Success);
        (await _bench.OnVaultAsync("vault", "key", "add", "--label", "none")).ShouldEnd(ExitCode.Usage);
        (await _bench.RunAsync("ls", "--vault", _bench["vault"], "--passphrase-file", _bench["pass.txt"])).ShouldEnd(ExitCode.Success);
        (await _bench.RunAsync("vault", "key", "import-kit", _bench["kit.txt"], "--key-file", _bench["kit.key"])).ShouldEnd(ExitCode.Success);
        (await _bench.RunAsync("vault", "key", "remove", "1", "--vault", _bench["vault"], "--key-file", _bench["kit.key"])).ShouldEnd(ExitCode.Success);
        (await _bench.OnVaultAsync("ls")).ShouldEnd(ExitCode.WrongKey);
        (await _bench.RunAsync("vault", "key", "rotate", "--vault", _bench["vault"], "--key-file", _bench["spare.key"])).ShouldEnd(ExitCode.Success);
        (await _bench.RunAsync("ls", "--vault", _bench["vault"], "--key-file", _bench["kit.key"])).ShouldEnd(ExitCode.Success);
        var slots = (await _bench.RunAsync("vault", "key", "list", "--json", "--vault", _bench["vault"], "--key-file", _bench["kit.key"])).Out.Trim().Split('\n');
        slots.Select(line => JsonDocument.Parse(line).RootElement.GetProperty("label").GetString()).ShouldBe(["recovery kit", "spare", "head"]);
    }

    [Fact]
    public async Task Damage_FoundByVerify_IsRepairedFromACopy()
    {
        await _bench.BackUpAsync();
        (await _bench.OnVaultAsync("vault", "verify")).ShouldEnd(ExitCode.Success).Out.ShouldStartWith("Sound: ");
        (await _bench.RunAsync("vault", "copy", "--vault", _bench["vault"], "--to", _bench["copy"])).ShouldEnd(ExitCode.Success);
        var pack = Directory.GetFiles(_bench["vault/data"], "*", SearchOption.AllDirectories)[0];
        var bytes = File.ReadAllBytes(pack);
        bytes[^1] ^= 1;
        File.WriteAllBytes(pack, bytes);

        var found = (await _bench.RunAsync("vault", "verify", "--json", "--vault", _bench["vault"])).ShouldEnd(ExitCode.Findings);
        JsonDocument.Parse(found.Out).RootElement.GetProperty("findings")[0].GetProperty("problem").GetString().ShouldBe("wrong-hash");
        (await _bench.OnVaultAsync("vault", "repair", "--from", _bench["copy"])).ShouldEnd(ExitCode.Success).Out.ShouldContain("1 of 1 object repaired.");
        (await _bench.OnVaultAsync("vault", "verify", "--depth", "data")).ShouldEnd(ExitCode.Success);
    }

    [Theory]
    [InlineData("config", false), InlineData("keys", false), InlineData("index", false), InlineData("snapshots", false), InlineData("data", false), InlineData("meta", false)]
    [InlineData("config", true), InlineData("keys", true), InlineData("data", true)]
    [InlineData("marks", false), InlineData("ledger", false)]
    public async Task Repair_OfWhateverIsDamagedOrGone_OpensAndReadsAgain(string kind, bool isGone)
    {
        await _bench.BackUpAsync();
        (await _bench.OnVaultAsync("vault", "copy", "--to", _bench["replica"])).ShouldEnd(ExitCode.Success);
        (await _bench.OnVaultAsync("vault", "prune", "--drop", "latest")).ShouldEnd(ExitCode.Success);
        await _bench.BackUpAsync();
        (await _bench.OnVaultAsync("vault", "copy", "--to", _bench["replica"])).ShouldEnd(ExitCode.Success);
        (await _bench.OnVaultAsync("vault", "verify")).ShouldEnd(ExitCode.Success);
        var victim = Directory.EnumerateFiles(_bench[$"vault/{kind}"], "*", SearchOption.AllDirectories).First();
        var bytes = await File.ReadAllBytesAsync(victim, TestContext.Current.CancellationToken);
        bytes[bytes.Length / 2] ^= 0x20;
        if (isGone) File.Delete(victim);
        else await File.WriteAllBytesAsync(victim, bytes, TestContext.Current.CancellationToken);

        (await _bench.OnVaultAsync("vault", "verify", "--depth", "data", "--no-ledger")).Code.ShouldNotBe((int)ExitCode.Success);
        var repaired = (await _bench.OnVaultAsync("vault", "repair", "--depth", "data", "--from", _bench["replica"])).ShouldEnd(ExitCode.Success);
        repaired.Out.ShouldContain(kind is "marks" or "ledger" ? "removed: " : "repaired: ");
        (await _bench.OnVaultAsync("vault", "verify", "--depth", "data", "--no-ledger")).ShouldEnd(ExitCode.Success);
        (await _bench.OnVaultAsync("restore", "--snapshot", "latest", "--target", _bench["back"])).ShouldEnd(ExitCode.Success);
        (await _bench.AsAgentAsync("backup", _bench["data"], "--asset", "docs")).ShouldEnd(ExitCode.Success);
    }

    [Fact]
    public async Task Repair_OfAnEmptyPlace_MakesNoVault()
    {
        await _bench.BackUpAsync();
        Directory.CreateDirectory(_bench["empty"]);
        (await _bench.RunAsync("vault", "repair", "--vault", _bench["empty"], "--key-file", _bench["restore.key"], "--from", _bench["vault"])).ShouldEnd(ExitCode.NoVault);
        Directory.EnumerateFileSystemEntries(_bench["empty"]).ShouldBeEmpty();
    }

    [Fact]
    public async Task Prune_ShowsItsPlanThenDoesIt()
    {
        var first = await _bench.BackUpAsync();
        _bench.Write("data/sub/table.csv", string.Join('\n', Enumerable.Range(7, 30_000)));
        await _bench.BackUpAsync();

        var dry = (await _bench.OnVaultAsync("vault", "prune", "--drop", first, "--dry-run")).ShouldEnd(ExitCode.Success);
        dry.Out.ShouldStartWith("Plan:\n  drop snapshot " + first[..SnapshotsCommand.IdDigitsShown]);
        dry.Out.ShouldEndWith("Dry run: nothing was changed.\n");
        (await _bench.AsAgentAsync("snapshots", "--json")).Out.Trim().Split('\n').Length.ShouldBe(2);
        (await _bench.OnVaultAsync("vault", "prune", "--drop", first, "--grace-days", "0", "--no-writer-is-running")).ShouldEnd(ExitCode.Success);
        (await _bench.AsAgentAsync("snapshots", "--json")).Out.Trim().Split('\n').Length.ShouldBe(1);
        (await _bench.OnVaultAsync("vault", "verify", "--depth", "data")).ShouldEnd(ExitCode.Success);
        (await _bench.OnVaultAsync("vault", "prune", "--drop", first)).ShouldEnd(ExitCode.NotFound);
    }

    [Fact]
    public async Task StatsAndRebuildIndex_OnAVault_AddUp()
    {
        await _bench.BackUpAsync();
        var before = JsonDocument.Parse((await _bench.AsAgentAsync("vault", "stats", "--json")).ShouldEnd(ExitCode.Success).Out).RootElement;

        foreach (var index in Directory.GetFiles(_bench["vault/index"], "*", SearchOption.AllDirectories))
        {
            File.Delete(index);
        }

        (await _bench.AsAgentAsync("vault", "rebuild-index")).ShouldEnd(ExitCode.Success);
        var after = JsonDocument.Parse((await _bench.AsAgentAsync("vault", "stats", "--json")).Out).RootElement;
        after.GetProperty("chunks").GetInt64().ShouldBe(before.GetProperty("chunks").GetInt64());
        (await _bench.OnVaultAsync("restore", "--asset", "docs", "--target", _bench["out"])).ShouldEnd(ExitCode.Success);
    }

    [Fact]
    public async Task Init_WhereAKeyFileExists_MakesNoVault()
    {
        _bench.Write("taken.key", "precious");

        (await _bench.RunAsync("vault", "init", "--vault", _bench["new"], "--restore-key-file", _bench["taken.key"])).ShouldEnd(ExitCode.Conflict);

        Directory.Exists(_bench["new"]).ShouldBeFalse();
        File.ReadAllText(_bench["taken.key"]).ShouldBe("precious");
        (await _bench.RunAsync("vault", "init", "--vault", _bench["vault"], "--restore-key-file", _bench["again.key"])).ShouldEnd(ExitCode.Conflict);
    }

    [Fact]
    public async Task IdentityNew_MakesBothFiles_AndNeverReplacesThem()
    {
        var arguments = new[] { "identity", "new", "--name", "lab-agent-1", "--private", _bench["a.identity"], "--public", _bench["a.pub"] };

        (await _bench.RunAsync(arguments)).ShouldEnd(ExitCode.Success);
        AgentApi.PublicIdentity.Load(_bench["a.pub"]).Name.ShouldBe("lab-agent-1");
        using (var identity = AgentApi.PrivateIdentity.Load(_bench["a.identity"]))
        {
            identity.Public.KeyId.ShouldBe(AgentApi.PublicIdentity.Load(_bench["a.pub"]).KeyId);
        }

        (await _bench.RunAsync(arguments)).Code.ShouldNotBe(0);
    }

    [Fact]
    public async Task StoreProbe_OnAFolder_PassesEveryCheck()
    {
        var result = (await _bench.RunAsync("store", "probe", _bench["store"])).ShouldEnd(ExitCode.Success);

        result.Out.ShouldNotContain("FAIL", Case.Sensitive);
        result.Out.ShouldContain("keeps the contract");
    }

    [Fact]
    public async Task Failure_WithJson_IsOneLineForMachines()
    {
        var result = (await _bench.RunAsync("snapshots", "--json", "--vault", _bench["nowhere"], "--key-file", _bench["restore.key"])).ShouldEnd(ExitCode.NoVault);

        var error = JsonDocument.Parse(result.Error).RootElement;
        error.GetProperty("error").GetString().ShouldBe("no-vault");
        error.GetProperty("exitCode").GetInt32().ShouldBe(10);
        error.GetProperty("hint").GetString().ShouldNotBeNullOrEmpty();
    }
}
