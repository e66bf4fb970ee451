using Backup.AgentApi;
using Backup.Functions.Retention;
using Backup.Functions.Tests.Scripted;
using Backup.Services.Testing;
using Microsoft.Azure.Functions.Worker;
using Shouldly;

namespace Backup.Functions.Tests.Retention;

/// <summary>What retention removes from copies on other nodes and in another region.</summary>
public sealed class NodeRetentionTests(PostgresFixture postgres)
{
    private const string Policy = """
        version: 1
        sites: [ { name: lab } ]
        tiers:
          - { name: second-region, container: replica-geo, accessTier: Hot, copyFrom: offsite-hot }
          - { name: offsite-hot, container: replica-hot, accessTier: Hot }
          - { name: second-node, kind: vault, place: second, agent: node-agent, source: "{agent}-{vault}" }
        agents: [ { name: lab-agent-1, site: lab, caretaker: lab-caretaker }, { name: lab-caretaker, site: lab }, { name: node-agent, site: lab } ]
        serviceClasses: [ { name: brief, rto: 1h, rpo: 1h, retention: { keepLast: 1 } } ]
        retention: { percentMax: 80 }
        assets:
          - { name: notes, kind: files, agent: lab-agent-1, vault: main, serviceClass: brief, dataClass: active, paths: [/notes], replicateTo: [second-region, offsite-hot, second-node] }
        """;

    [Fact]
    public async Task Retention_LeavesEveryKindOfCopyWithoutWhatWasGivenUp()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: Policy);
        var snapshots = await BackUpAsync(app);
        Holds(app, snapshots[2]);
        (await TickAsync(app)).Failure.ShouldBeNull();
        var tidy = app.Agent.Received.Select(r => r.Order).OfType<TidyOrder>().DistinctBy(o => o.Place).ShouldHaveSingleItem();
        (tidy.Vault, tidy.Place, string.Join(' ', tidy.Drops.Order())).ShouldBe(("lab-agent-1-main", "second", string.Join(' ', snapshots[..2].Order())));
        (await app.CountAsync("replica where state = 'removed'")).ShouldBe(6, "two points in three tiers");
        (await app.CountAsync("replica where state = 'removed' and container_uri = 'vault://node-agent/second'")).ShouldBe(2);
    }

    [Fact]
    public async Task Retention_VaultLostWhatLives_TouchesNoCopyOnAnotherNode()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: Policy);
        await BackUpAsync(app);
        Holds(app);
        var ending = await TickAsync(app);
        ending.Failure!.Text.ShouldContain("the vault no longer holds 1 snapshots whose recovery points live");
        app.Agent.Received.Select(r => r.Order).OfType<TidyOrder>().ShouldBeEmpty();
        (await app.CountAsync("replica where state = 'removed' and tier = 'second-node'")).ShouldBe(0);
    }

    private static void Holds(TestApp app, params string[] snapshots) => app.Agent.Pages =
    [
        new SnapshotPage
        {
            Snapshots = [.. snapshots.Select(id => new SnapshotSummary
            {
                SnapshotId = id, Asset = "notes", SourceKind = SourceKind.Files, VaultId = ScriptedAgent.VaultId, StartedAt = DateTimeOffset.UnixEpoch, EndedAt = DateTimeOffset.UnixEpoch,
                BytesRead = 1, BytesNew = 1, BytesStored = 1, FilesTotal = 1, FilesUnreadableTotal = 0, Tags = new Dictionary<string, string>(),
            })],
        },
    ];

    private static async Task<string[]> BackUpAsync(TestApp app)
    {
        var snapshots = new List<string>();
        for (var i = 0; i < 3; i++)
        {
            var outcome = await app.BackUpAsync("notes", $"s{i}");
            outcome.State.ShouldBe("succeeded", outcome.Reason?.Text);
            snapshots.Add((await app.Points.FindAsync(new(outcome.RecoveryPoint!), CancellationToken.None))!.Snapshot.SnapshotId);
        }

        return [.. snapshots];
    }

    private static async Task<RetentionEnding> TickAsync(TestApp app)
    {
        await app.Function<RetentionTimer>().RunAsync(new TimerInfo(), app.Client, CancellationToken.None);
        return await app.OutcomeAsync<RetentionEnding>(InstanceIds.Retention("lab-agent-1", "main"));
    }
}
