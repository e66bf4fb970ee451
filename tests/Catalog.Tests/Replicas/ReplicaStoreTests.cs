using Backup.Catalog.Replicas;
using Backup.Policy;
using Backup.Services.Testing;
using Shouldly;

namespace Backup.Catalog.Tests.Replicas;

public sealed class ReplicaStoreTests(PostgresFixture postgres)
{
    private static readonly TierName Tier = new("offsite-hot");
    private static readonly Uri Container = new("http://127.0.0.1:10000/devstoreaccount1/vault-replica-hot");
    private static readonly ReplicaCopy Copy = new("replica-manifests/aa", "aa", 10, 4, 1000, 400);

    [Fact]
    public async Task Record_CopyThenCheckEachTwice_IsOneCheckedReplica()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        var point = await PointAsync(catalog);
        for (var i = 0; i < 2; i++)
        {
            await catalog.Replicas.RecordCopyAsync(point, Tier, Container, AccessTier.Hot, Copy, "schedule", CancellationToken.None);
            await catalog.Replicas.RecordVerificationAsync(Look(catalog, point, isSound: true), "schedule", CancellationToken.None);
        }

        // A repeated copy activity after the check must not forget the check.
        var replica = await catalog.Replicas.RecordCopyAsync(point, Tier, Container, AccessTier.Hot, Copy, "schedule", CancellationToken.None);
        replica.State.ShouldBe(ReplicaState.Checked);
        replica.Copy.ShouldBe(Copy);
        (await catalog.CountAsync("verification")).ShouldBe(1);
        (await catalog.Replicas.ListAsync([point], CancellationToken.None)).ShouldBe([replica]);
    }

    [Fact]
    public async Task Record_DamagedLook_IsDamagedAndSaysWhy()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        var point = await PointAsync(catalog);
        await catalog.Replicas.RecordCopyAsync(point, Tier, Container, AccessTier.Hot, Copy, "schedule", CancellationToken.None);
        var replica = await catalog.Replicas.RecordVerificationAsync(Look(catalog, point, isSound: false), "schedule", CancellationToken.None);
        (replica.State, replica.Reason).ShouldBe((ReplicaState.Damaged, "a finding"));
    }

    [Fact]
    public async Task Record_FailureThenCopy_IsCopied_AndALaterFailureDoesNotHideIt()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        var point = await PointAsync(catalog);
        var failed = await catalog.Replicas.RecordFailureAsync(point, Tier, Container, AccessTier.Hot, "access-denied", "no", "schedule", CancellationToken.None);
        failed.State.ShouldBe(ReplicaState.Failed);
        await catalog.Replicas.RecordCopyAsync(point, Tier, Container, AccessTier.Hot, Copy, "schedule", CancellationToken.None);
        var last = await catalog.Replicas.RecordFailureAsync(point, Tier, Container, AccessTier.Hot, "access-denied", "no", "schedule", CancellationToken.None);
        (last.State, last.Reason).ShouldBe((ReplicaState.Copied, null));
    }

    private static Verification Look(TestCatalog catalog, RecoveryPointId point, bool isSound) =>
        new("look-1", point, Tier, catalog.Clock.GetUtcNow(), isSound, 10, 4, 400, "a finding");

    private static async Task<RecoveryPointId> PointAsync(TestCatalog catalog)
    {
        await catalog.RunningAsync("r1");
        return (await catalog.Points.PublishAsync(catalog.Receipt("r1", "s1"), CancellationToken.None)).Id;
    }
}
