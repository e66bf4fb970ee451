using Backup.Agent.Journal;
using Backup.AgentApi;
using Shouldly;
using Sample = Backup.Agent.Tests.Jobs.Orders;

namespace Backup.Agent.Tests.Journal;

public sealed class JobRecordTests
{
    private static readonly string Id = new('a', 64);

    private static readonly JobOrder[] Jobs =
    [
        Sample.Backup(),
        new RestoreOrder { RestoreId = "restore-1", Asset = "fits", SourceKind = SourceKind.Files, SnapshotId = Id, From = RestoreOrigin.FromVault("main"), Target = "/srv/restored" },
        Sample.Replicate("sig=secret"),
        new PruneOrder { Vault = "main", Drops = [Id] },
        new HoldOrder { RunId = "run-1", Group = "catalogue", Hooks = new BackupHooks { Before = ["hold"], After = ["go-on"] }, SecondsMax = 60 },
        new ReleaseOrder { Hold = OrderId.Parse("hold-1") },
        new VerifyOrder { Vault = "main", RepairFrom = [RestoreOrigin.FromCopy("second", Id[..32])] },
        new TidyOrder { Vault = "main", Place = "second", ManifestName = "manifest", ManifestSha256 = Id, OrderedAt = Sample.Start, Drops = [Id] },
        new SurveyOrder { SnapshotId = Id, From = RestoreOrigin.FromVault("main"), Include = ["*.fits"] },
    ];

    public static TheoryData<Operation> Operations => [.. Enum.GetValues<Operation>().Where(operation => operation.IsJob())];

    // A journal that cannot be read keeps the agent from starting.
    [Theory]
    [MemberData(nameof(Operations))]
    public void ReadPayload_OfEveryJob_IsWhatWasWritten(Operation operation)
    {
        var order = Jobs.Where(job => job.Operation == operation).ShouldHaveSingleItem();
        var written = JobRecord.Write(order);
        var read = JobRecord.ReadPayload(operation, written);
        read.ShouldBeOfType(order.GetType());
        JobRecord.Write(read).GetRawText().ShouldBe(written.GetRawText());
    }

    [Fact]
    public void ReadPayload_OfAQuery_IsRefused() =>
        Should.Throw<AgentException>(() => JobRecord.ReadPayload(Operation.Health, JobRecord.Write(new HealthQuery()))).Fault.ShouldBe(AgentFault.JournalDamaged);
}
