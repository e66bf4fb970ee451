using Backup.Catalog.Replicas;
using Backup.Catalog.Retention;
using Backup.Policy;
using Backup.Policy.States;
using Backup.Services.Testing;
using Shouldly;

namespace Backup.Catalog.Tests.Retention;

public sealed class RemovalStoreTests(PostgresFixture postgres)
{
    private static readonly ReplicaPlaceId Place = new(new Uri("http://127.0.0.1:10000/devstoreaccount1/vault-replica-hot"), "vault-1", new TierName("offsite-hot"));

    [Fact]
    public async Task Record_PointWasPublishedAfterTheManifestWasOrdered_KeepsItsOwn()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        var before = await CopiedAsync(catalog, "r1", "s1", "replica-manifests/aa");
        catalog.Clock.Advance(TimeSpan.FromMinutes(1));
        var orderedAt = catalog.Clock.GetUtcNow();
        catalog.Clock.Advance(TimeSpan.FromMinutes(1));
        var after = await CopiedAsync(catalog, "r2", "s2", "replica-manifests/bb");

        await catalog.Removals.RecordAsync(Place, ["data/x"], [], Copy("replica-manifests/cc"), orderedAt, "test", CancellationToken.None);

        (await ManifestAsync(catalog, before)).ShouldBe("replica-manifests/cc", "its own may list what is gone");
        (await ManifestAsync(catalog, after)).ShouldBe("replica-manifests/bb", "the removal's need not list what it needs");
    }

    private static ReplicaCopy Copy(string manifest) => new(manifest, "aa", 10, 4, 1000, 400);

    private static async Task<string> ManifestAsync(TestCatalog catalog, RecoveryPointId point) => (await catalog.Replicas.ListAsync([point], CancellationToken.None)).Single().Copy!.ManifestName;

    private static async Task<RecoveryPointId> CopiedAsync(TestCatalog catalog, string run, string snapshot, string manifest)
    {
        await catalog.RunningAsync(run);
        var point = await catalog.Points.PublishAsync(catalog.Receipt(run, snapshot), CancellationToken.None);
        await catalog.Replicas.RecordCopyAsync(point.Id, Place.Tier, Place.Container, AccessTier.Hot, Copy(manifest), "test", CancellationToken.None);
        await catalog.Runs.CloseAsync(new(run), RunState.Succeeded, null, CancellationToken.None);
        return point.Id;
    }
}
