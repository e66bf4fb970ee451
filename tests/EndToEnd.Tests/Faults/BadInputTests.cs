using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Backup.LocalStack.Services;
using Shouldly;

namespace Backup.EndToEnd.Tests.Faults;

/// <summary>Bad input ends in a clear error, and in nothing else.</summary>
public sealed class BadInputTests(RunningSystem system)
{
    [Fact]
    public async Task Request_WithoutOrWithAWrongFunctionKey_IsRefused()
    {
        using var http = new HttpClient { BaseAddress = system.Stack.FunctionsAddress };
        (await http.GetAsync("api/runs", RunningSystem.Cancel)).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        http.DefaultRequestHeaders.Add("x-functions-key", "guess");
        (await http.PostAsJsonAsync("api/backups", new { asset = RunningSystem.Big }, RunningSystem.Cancel)).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task Backup_OfAnUnknownAsset_IsRefusedAndStartsNothing()
    {
        using var http = new HttpClient { BaseAddress = system.Stack.FunctionsAddress };
        http.DefaultRequestHeaders.Add("x-functions-key", await File.ReadAllTextAsync(system.Stack.Secrets.FunctionKey, RunningSystem.Cancel));
        using var answer = await http.PostAsJsonAsync("api/backups", new { asset = "no-such-asset" }, RunningSystem.Cancel);
        answer.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        answer.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        (await answer.Content.ReadFromJsonAsync<JsonElement>(RunningSystem.Cancel)).GetRawText().ShouldContain("no-such-asset");
        (await system.Control.RunsAsync(null, RunningSystem.Cancel)).ShouldNotContain(r => r.Asset == "no-such-asset");
    }

    [Fact]
    public async Task Backup_OfAMissingPath_FailsAndSaysSo()
    {
        var run = await system.EndOfAsync(await system.OrderAsync(RunningSystem.MissingPath));
        run.State.ShouldBe("failed");
        run.Reason!.Code.ShouldBe("source-missing");
        run.Reason.Text.ShouldContain("not-there");
        run.RecoveryPoint.ShouldBeNull();
    }

    [Fact]
    public async Task Backup_WithAnotherVaultsKey_FailsAndLeavesTheVaultSound()
    {
        var run = await system.EndOfAsync(await system.OrderAsync(RunningSystem.WrongKey));
        run.State.ShouldBe("failed");
        run.Reason!.Code.ShouldBe("key-refused");
        run.RecoveryPoint.ShouldBeNull();
        await system.VaultIsSoundAsync();
    }

    [Fact]
    public async Task Backup_WithAnUnreadableFile_IsPartialAndHoldsTheRest()
    {
        // Root reads everything by two capabilities; without them it is an ordinary user to files it may not read.
        await using var ordinary = Native.IsRoot ? await AgentSwap.ToAsync(system.Stack, "setpriv", ["--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all", "--"]) : null;
        var run = await system.EndOfAsync(await system.OrderAsync(RunningSystem.Unreadable));
        run.State.ShouldBe("partial", run.Reason?.Text);
        var point = (await system.Control.RecoveryPointsAsync(RunningSystem.Unreadable, RunningSystem.Cancel)).Single(p => p.Run == run.Id);
        point.FilesUnreadableTotal.ShouldBe(1);
        point.FilesTotal.ShouldBeGreaterThan(1);
    }

    [Fact]
    public async Task Backup_OntoAFullDisk_FailsAndSaysSo()
    {
        // The vault lies on a file system of 40 MB of the agent's own; the tree has 180 MB.
        const string Script = "mount -t tmpfs -o size=40m tmpfs \"$1\" && cp -a \"$2\"/. \"$1\"/ && shift 2 && exec \"$@\"";
        string[] ownMounts = Native.IsRoot ? ["--mount"] : ["--map-root-user", "--mount"];
        await using var small = await AgentSwap.ToAsync(system.Stack, "unshare", [.. ownMounts, "bash", "-c", Script, "bash", system.SmallDiskVault, system.SmallDiskOriginal]);
        var run = await system.EndOfAsync(await system.OrderAsync(RunningSystem.SmallDisk));
        run.State.ShouldBe("failed");
        run.Reason!.Code.ShouldBe("disk-full");
        run.RecoveryPoint.ShouldBeNull();
    }
}
