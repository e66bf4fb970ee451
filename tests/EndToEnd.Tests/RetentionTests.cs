using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Azure.Storage.Blobs;
using Backup.LocalStack.Run;
using Backup.LocalStack.Services;
using Shouldly;

namespace Backup.EndToEnd.Tests;

/// <summary>
/// Retention from the plan to the freed space, by the real agent, Functions app, catalog and Azurite: what is kept restores from everywhere, what was dropped is gone
/// from everywhere, whoever was killed on the way.
/// </summary>
public sealed class RetentionTests(RunningSystem system) : IDisposable
{
    private const string Tier = "offsite-hot";
    private const string Container = "hot-lab-agent-1-retained";
    private const int Files = 8;
    private const int FileBytes = 256 << 10;

    private readonly HttpApi _api = new(system);

    public void Dispose() => _api.Dispose();

    [Fact]
    public async Task Retention_PlannedApprovedAndKilledOnTheWay_DropsWhatItShowedAndKeepsTheRest()
    {
        // (1) Five points of which the rule keeps two. What goes is three fifths: allowed, but not without two persons.
        var first = await BackUpAsync(5);
        var shown = await _api.CallAsync(HttpMethod.Get, $"api/assets/{RunningSystem.Retained}/retention");
        (shown.Number("kept"), shown.Number("deleted"), shown.Text("refusal")).ShouldBe((2, 3, "none"));
        var plan = await PlanAsync("ada");
        (plan.Text("state"), PointsOf(plan)).ShouldBe(("awaiting-approval", string.Join(' ', first.Take(3).Select(p => p.Id))));
        var id = plan.Text("id");
        (await _api.CallAsync(HttpMethod.Post, $"api/retention/plans/{id}/execute")).Status.ShouldBe(HttpStatusCode.Conflict, "nobody has approved");
        (await ApproveAsync(id, null)).Status.ShouldBe(HttpStatusCode.Forbidden, "the function key alone decides nothing");
        (await ApproveAsync(id, "ada")).Status.ShouldBe(HttpStatusCode.Conflict, "ada asked for it");
        (await ApproveAsync(id, "bea")).Text("state").ShouldBe("awaiting-approval");
        (await ApproveAsync(id, "cyd")).Text("state").ShouldBe("ready");

        // (2) Azurite stands still, so that the execution cannot get past the vault while the agent, and then the Functions app, are killed in its middle.
        system.Stack.Azurite.Child.Pause();
        try
        {
            var pruning = SecondPruneAsync();
            (await _api.CallAsync(HttpMethod.Post, $"api/retention/plans/{id}/execute")).Status.ShouldBe(HttpStatusCode.Accepted);
            await pruning;
            await system.Stack.Agent.KillAsync();
            (await ShowAsync(id)).Text("state").ShouldBe("running");
            await system.Stack.Agent.StartAsync(RunningSystem.Cancel);
            await RunningSystem.UntilAsync(async () => (await ShowAsync(id)).Body.GetProperty("points").EnumerateArray().All(p => p.TryGetProperty("removedAt", out _)));
            await system.Stack.Functions.KillAsync();
            await system.Stack.Functions.StartAsync(RunningSystem.Cancel);
            (await ShowAsync(id)).Text("state").ShouldBe("running", "the replica holds everything still");
        }
        finally
        {
            system.Stack.Azurite.Child.Resume();
        }

        await DoneAsync(id);
        await OnlyAsync(first, kept: 2);

        // (3) Four more points: four sixths would go, more than the share. Only by force, which again takes two others.
        var second = await BackUpAsync(4);
        var refused = await PlanAsync(null);
        (refused.Text("state"), refused.Text("refusal")).ShouldBe(("refused", "deletes-too-much"));
        (await _api.CallAsync(HttpMethod.Post, $"api/retention/plans/{refused.Text("id")}/execute")).Status.ShouldBe(HttpStatusCode.Conflict);
        (await ApproveAsync(refused.Text("id"), "bea")).Status.ShouldBe(HttpStatusCode.Conflict);
        var forced = (await PlanAsync("ada", "the rule was shortened")).Text("id");
        (await ApproveAsync(forced, "bea")).Text("state").ShouldBe("awaiting-approval");
        (await ApproveAsync(forced, "cyd")).Text("state").ShouldBe("ready");

        // (4) Marked packs lie in the vault for two weeks, for whoever writes meanwhile. An operator who knows that nobody does need not wait; what left the vault then leaves the replica.
        var (vaultBefore, replicaBefore) = (RunningSystem.BytesBelow(system.RetainedVault.Folder), await ReplicaBytesAsync());
        await SweepAsync();
        RunningSystem.BytesBelow(system.RetainedVault.Folder).ShouldBeLessThan(vaultBefore - (3 * Files * FileBytes * 9 / 10), "three points' packs are free");
        await AgeBlobsAsync(TimeSpan.FromHours(2));
        (await _api.CallAsync(HttpMethod.Post, $"api/retention/plans/{forced}/execute")).Status.ShouldBe(HttpStatusCode.Accepted);
        await DoneAsync(forced);
        (await ReplicaBytesAsync()).ShouldBeLessThan(replicaBefore - (3 * Files * FileBytes * 9 / 10));
        await OnlyAsync([.. first.Skip(3), .. second], kept: 2);
        await SweepAsync();
        RunningSystem.BytesBelow(system.RetainedVault.Folder).ShouldBeLessThan(3 * Files * FileBytes, "two points are left");
        await RestoresAsync([.. first, .. second], kept: 2);
    }

    /// <summary>The newest points restore from vault and tier, the others from nowhere, and vault and replica are sound and hold no other snapshot.</summary>
    private async Task OnlyAsync(IReadOnlyList<Point> points, int kept)
    {
        await RestoresAsync(points, kept);
        var listing = (await CtlAsync("snapshots", "--json")).Output;
        var blobs = await BlobsAsync();
        blobs.Count(b => b.Name.Contains("/snapshots/", StringComparison.Ordinal)).ShouldBe(kept);
        foreach (var (point, index) in points.Select((p, i) => (p, i)))
        {
            listing.Contains($"\"{point.Run}\"", StringComparison.Ordinal).ShouldBe(index >= points.Count - kept, listing);
        }

        await CtlAsync("vault", "verify", "--depth", "data");
    }

    private async Task RestoresAsync(IReadOnlyList<Point> points, int kept)
    {
        foreach (var gone in points.SkipLast(kept))
        {
            var answer = await _api.CallAsync(HttpMethod.Post, "api/restores", new { asset = RunningSystem.Retained, recoveryPoint = gone.Id, target = Path.Combine(system.Stack.Folders.Restores, gone.Run) });
            (answer.Status, answer.Body.GetRawText().Contains("Retention gave recovery point", StringComparison.Ordinal)).ShouldBe((HttpStatusCode.Conflict, true));
        }

        foreach (var point in points.TakeLast(kept))
        {
            foreach (var from in (string?[])[null, Tier])
            {
                Digest(await system.RestoreAsync(RunningSystem.Retained, point.Id, from) + system.RetainedTree).ShouldBe(point.Content);
            }
        }
    }

    /// <summary>Lets time pass for the blobs: young index objects could belong to a replication under way, and hold packs back for an hour.</summary>
    private async Task AgeBlobsAsync(TimeSpan by)
    {
        await system.Stack.Azurite.StopAsync();
        var file = Path.Combine(system.Stack.Folders.Azurite, "data", "__azurite_db_blob__.json");
        var records = JsonNode.Parse(await File.ReadAllTextAsync(file, RunningSystem.Cancel))!;
        foreach (var blob in records["collections"]!.AsArray().Single(c => c!["name"]!.GetValue<string>() == "$BLOBS_COLLECTION$")!["data"]!.AsArray())
        {
            // What was sent in blocks, or is not yet committed, has no such time: then it is as old as it is.
            var properties = blob!["properties"]!;
            var time = properties["accessTierChangeTime"] is null ? "creationTime" : "accessTierChangeTime";
            properties[time] = DateTimeOffset.Parse(properties[time]!.GetValue<string>(), CultureInfo.InvariantCulture) - by;
        }

        await File.WriteAllTextAsync(file, records.ToJsonString(), RunningSystem.Cancel);
        await system.Stack.Azurite.StartAgainAsync(RunningSystem.Cancel);
    }

    /// <summary>As an operator frees at once what is marked.</summary>
    private Task<ProgramRun> SweepAsync() => CtlAsync("vault", "prune", "--grace-days", "0", "--no-writer-is-running");

    private Task<ProgramRun> CtlAsync(params string[] arguments) =>
        ProgramRun.OfOurOwnAsync("Cli", [.. arguments, "--vault", system.RetainedVault.Folder, "--key-file", system.RetainedVault.RestoreKey], RunningSystem.Cancel);

    private async Task<List<Point>> BackUpAsync(int count)
    {
        var points = new List<Point>();
        for (var i = 0; i < count; i++)
        {
            Directory.CreateDirectory(system.RetainedTree);
            for (var file = 0; file < Files; file++)
            {
                await File.WriteAllBytesAsync(Path.Combine(system.RetainedTree, $"{file}.bin"), RandomNumberGenerator.GetBytes(FileBytes), RunningSystem.Cancel);
            }

            var run = await system.EndOfAsync(await system.OrderAsync(RunningSystem.Retained));
            run.State.ShouldBe("succeeded", run.Reason?.Text);
            points.Add(new Point(run.RecoveryPoint!, run.Id, Digest(system.RetainedTree)));
        }

        return points;
    }

    /// <summary>Until the agent has begun the prune that follows the one that only shows.</summary>
    private Task<string> SecondPruneAsync()
    {
        var prunes = 0;
        return system.Stack.Agent.Child.WaitForNewLineAsync(line => line.Contains("(Prune) started", StringComparison.Ordinal) && ++prunes == 2, TimeSpan.FromMinutes(3), RunningSystem.Cancel);
    }

    private static string Digest(string folder)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var file in Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal))
        {
            hash.AppendData(File.ReadAllBytes(file));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private async Task<long> ReplicaBytesAsync() => (await BlobsAsync()).Sum(b => b.Bytes);

    private async Task<List<(string Name, long Bytes)>> BlobsAsync()
    {
        var blobs = new List<(string, long)>();
        await foreach (var blob in new BlobContainerClient(system.Stack.Azurite.ConnectionString, Container).GetBlobsAsync(cancellationToken: RunningSystem.Cancel))
        {
            blobs.Add((blob.Name, blob.Properties.ContentLength!.Value));
        }

        return blobs;
    }

    private static string PointsOf(Reply plan) => string.Join(' ', plan.Body.GetProperty("points").EnumerateArray().Select(p => p.GetProperty("id").GetString()));

    private Task<Reply> PlanAsync(string? administrator, string? forcedReason = null) =>
        _api.CallAsync(HttpMethod.Post, "api/retention/plans", new { asset = RunningSystem.Retained, forcedReason, slot = Guid.NewGuid().ToString("N")[..24] }, administrator);

    private Task<Reply> ApproveAsync(string id, string? administrator) => _api.CallAsync(HttpMethod.Post, $"api/retention/plans/{id}/approve", administrator: administrator);

    private Task<Reply> ShowAsync(string id) => _api.CallAsync(HttpMethod.Get, $"api/retention/plans/{id}");

    private async Task DoneAsync(string id)
    {
        Reply? plan = null;
        await RunningSystem.UntilAsync(async () => (plan = await ShowAsync(id)).Text("state") is not "running" and not "ready");
        plan!.Text("state").ShouldBe("done", plan.Body.GetRawText());
    }

    /// <summary>A recovery point, and what it must bring back.</summary>
    private sealed record Point(string Id, string Run, string Content);
}
