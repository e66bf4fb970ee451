using System.Net.Http.Json;
using System.Text.Json;
using Backup.LocalStack.Comparison;
using Backup.LocalStack.Run;
using Backup.LocalStack.Services;
using Shouldly;

namespace Backup.EndToEnd.Tests;

/// <summary>Copies on another node and in another region, and what becomes of damage: the real agent, Functions app and Azurite.</summary>
public sealed class TierTests(RunningSystem system)
{
    [Fact]
    public async Task Run_CopiedToAnotherNodeAndRegion_RestoresFromEachOfThem()
    {
        var point = await BackUpAsync();
        point.Replicas.Select(r => (r.Tier, r.State)).ShouldBe([("offsite-hot", "checked"), ("second-node", "checked"), ("second-region", "checked")], ignoreOrder: true);
        point.Replicas.Select(r => r.BytesTotal).Distinct().Count().ShouldBe(1, "all hold the same objects");
        foreach (var tier in (string[])["second-node", "second-region"])
        {
            var target = Path.Combine(system.Stack.Folders.Restores, "tier-" + Guid.NewGuid().ToString("N"));
            var restore = await system.Control.RestoreToEndAsync(new RestoreWish(RunningSystem.Copied, target, point.Id, tier), _ => { }, RunningSystem.Cancel);
            restore.State.ShouldBe("succeeded", restore.Reason?.Text);
            RestoreVerdict.OfTree(system.CopiedTree, target + system.CopiedTree, backupBegan: null).Differences.ShouldBeEmpty();
        }

        var protection = await GetAsync($"api/assets/{RunningSystem.Copied}/protection");
        (protection.GetProperty("copies").GetInt32(), protection.GetProperty("media").GetInt32(), protection.GetProperty("offsite").GetInt32()).ShouldBe((5, 4, 2));
    }

    [Fact]
    public async Task Verification_VaultAndCopyAreDamagedOnDisk_FindsAndMendsBoth()
    {
        await BackUpAsync();
        var copy = Directory.EnumerateDirectories(system.Stack.Folders.SecondNode).ShouldHaveSingleItem("only this test's vault is copied there");
        Flip(Packs(system.CopiedVault, "data")[0]);
        File.Delete(Packs(system.CopiedVault, "meta")[0]);
        var copied = Packs(copy, "data")[^1];
        var good = File.ReadAllBytes(copied);

        // The copy's damage is found when the hour's part holds that pack; a wrong length is found at once.
        File.WriteAllBytes(copied, good[..^1]);
        using var http = NewHttp();
        using var answer = await http.PostAsJsonAsync("api/verifications", new { asset = RunningSystem.Copied }, RunningSystem.Cancel);
        answer.EnsureSuccessStatusCode();

        JsonElement look = default;
        await RunningSystem.UntilAsync(async () =>
        {
            var looks = await GetAsync("api/verifications/vaults");
            look = looks.GetProperty("items").EnumerateArray().FirstOrDefault(l => l.GetProperty("vault").GetString() == "copied" && l.GetProperty("problemsTotal").GetInt64() > 0);
            return look.ValueKind is JsonValueKind.Object;
        });
        look.ShouldSatisfyAllConditions(
            l => l.GetProperty("depth").GetString().ShouldBe("data"),
            // One lost object of metadata may be missed by several snapshots.
            l => l.GetProperty("problemsTotal").GetInt64().ShouldBeGreaterThanOrEqualTo(2, l.ToString()),
            l => l.GetProperty("mended").GetInt64().ShouldBe(l.GetProperty("problemsTotal").GetInt64(), l.ToString()),
            l => l.GetProperty("isSound").GetBoolean().ShouldBeTrue());
        Directory.EnumerateFiles(Path.Combine(system.CopiedVault, "quarantine"), "*", SearchOption.AllDirectories).ShouldHaveSingleItem();
        await ProgramRun.OfOurOwnAsync("Cli", ["vault", "verify", "--vault", system.CopiedVault, "--key-file", system.CopiedVault + ".restore-key", "--depth", "data"], RunningSystem.Cancel);

        await RunningSystem.UntilAsync(() => Task.FromResult(File.Exists(copied) && File.ReadAllBytes(copied).AsSpan().SequenceEqual(good)));
        await RunningSystem.UntilAsync(async () => (await GetAsync("api/verifications?limit=50")).GetProperty("items").EnumerateArray()
            .Where(v => v.GetProperty("tier").GetString() == "second-node").Select(v => v.GetProperty("isSound").GetBoolean()).Take(2).SequenceEqual([true, false]));
        await ProgramRun.OfOurOwnAsync("Cli", ["vault", "verify", "--vault", copy, "--key-file", system.CopiedVault + ".restore-key", "--depth", "data"], RunningSystem.Cancel);
        var alerts = await GetAsync("api/alerts");
        alerts.GetProperty("items").EnumerateArray().Count(a => a.GetProperty("kind").GetString() == "verification").ShouldBeGreaterThanOrEqualTo(2);
    }

    private async Task<RecoveryPointInfo> BackUpAsync()
    {
        var run = await system.EndOfAsync(await system.OrderAsync(RunningSystem.Copied));
        run.State.ShouldBe("succeeded", run.Reason?.Text);
        return (await system.Control.RecoveryPointsAsync(run.Asset, RunningSystem.Cancel)).Single(p => p.Run == run.Id);
    }

    private async Task<JsonElement> GetAsync(string path)
    {
        using var http = NewHttp();
        return await http.GetFromJsonAsync<JsonElement>(path, RunningSystem.Cancel);
    }

    private HttpClient NewHttp() => new() { BaseAddress = system.Stack.FunctionsAddress, DefaultRequestHeaders = { { "x-functions-key", File.ReadAllText(system.Stack.Secrets.FunctionKey) } } };

    private static List<string> Packs(string vault, string kind) => [.. Directory.EnumerateFiles(Path.Combine(vault, kind), "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];

    private static void Flip(string file)
    {
        var bytes = File.ReadAllBytes(file);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(file, bytes);
    }
}
