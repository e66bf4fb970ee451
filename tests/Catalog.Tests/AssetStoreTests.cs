using Backup.Policy;
using Backup.Services.Testing;
using Shouldly;

namespace Backup.Catalog.Tests;

public sealed class AssetStoreTests(PostgresFixture postgres)
{
    private const string Policy = """
        version: 1
        sites: [ { name: lab } ]
        agents: [ { name: lab-agent-1, site: lab } ]
        assets:
          - { name: fits-files, kind: files, agent: lab-agent-1, vault: main, serviceClass: research, dataClass: active, paths: [/data] }
          - { name: other, kind: files, agent: lab-agent-1, vault: main, serviceClass: research, dataClass: active, paths: [/data] }
        """;

    [Fact]
    public async Task Sync_Policy_MarksWhatLeftAndKeepsIt()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        var policy = PolicyParser.Parse(Policy, "p");
        (await catalog.Assets.SyncAsync(policy, "start", CancellationToken.None)).ShouldBeTrue();
        (await catalog.Assets.SyncAsync(policy, "start", CancellationToken.None)).ShouldBeFalse();
        (await catalog.Assets.ListAsync(null, 10, CancellationToken.None)).Select(a => (a.Name.Value, a.IsInPolicy)).ShouldBe(
            [("fits-files", true), ("other", true), ("voids-db", false)]);

        await catalog.Assets.SyncAsync(policy with { Assets = [policy.Assets[0]] }, "start", CancellationToken.None);
        (await catalog.Assets.FindAsync(new("other"), CancellationToken.None))!.IsInPolicy.ShouldBeFalse();
        (await catalog.Assets.ListAsync(new("fits-files"), 1, CancellationToken.None)).Single().Name.Value.ShouldBe("other");
    }
}
