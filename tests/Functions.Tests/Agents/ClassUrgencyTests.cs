using Backup.AgentApi;
using Backup.Functions.Agents;
using Backup.Functions.Backups;
using Backup.Functions.Tests.Scripted;
using Backup.Services.Testing;
using Shouldly;

namespace Backup.Functions.Tests.Agents;

/// <summary>From the service class of the policy to the priority in the order that the agent queues by.</summary>
public sealed class ClassUrgencyTests(PostgresFixture postgres)
{
    [Theory]
    [InlineData(Operation.Backup, 1, JobPriority.High), InlineData(Operation.Backup, 2, JobPriority.High), InlineData(Operation.Backup, 3, JobPriority.Normal)]
    [InlineData(Operation.Backup, 6, JobPriority.Normal), InlineData(Operation.Backup, 7, JobPriority.Low), InlineData(Operation.Backup, 9, JobPriority.Low)]
    [InlineData(Operation.Replicate, 1, JobPriority.Normal), InlineData(Operation.Replicate, 3, JobPriority.Low)]
    [InlineData(Operation.Restore, 9, null), InlineData(Operation.Restore, 1, null), InlineData(Operation.Backup, null, null), InlineData(Operation.Replicate, null, null)]
    public void Of_OperationAndClass_IsThisTable(Operation operation, int? classPriority, JobPriority? priority) => ClassUrgency.Of(operation, classPriority).ShouldBe(priority);

    [Fact]
    public async Task Orders_OfARun_CarryThePriorityOfTheAssetsClass()
    {
        await using var app = await TestApp.StartAsync(postgres);
        (await PrioritiesAsync(app, "voids-db")).ShouldBe([(Operation.Backup, JobPriority.High), (Operation.Replicate, JobPriority.Normal)]);
        (await PrioritiesAsync(app, "fits-files")).ShouldBe([(Operation.Backup, JobPriority.Normal), (Operation.Replicate, JobPriority.Low), (Operation.Replicate, JobPriority.Low)]);
    }

    private static async Task<IEnumerable<(Operation, JobPriority)>> PrioritiesAsync(TestApp app, string asset)
    {
        app.Agent.Received.Clear();
        var id = InstanceIds.Backup(asset, "s1");
        await app.Client.StartOnceAsync(nameof(AssetBackup), id, new BackupRequest { Asset = asset, RequestedBy = "test" }, CancellationToken.None);
        await app.OutcomeAsync<RunOutcome>(id);
        // An order may be sent again under its id.
        return [.. app.Agent.Received.DistinctBy(r => r.Id).Select(r => r.Order).OfType<JobOrder>().Select(order => (order.Operation, order.PriorityOrDefault))];
    }
}
