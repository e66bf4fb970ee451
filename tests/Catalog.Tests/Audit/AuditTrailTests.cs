using Backup.Catalog.Runs;
using Backup.Policy.States;
using Backup.Services.Testing;
using Shouldly;

namespace Backup.Catalog.Tests.Audit;

public sealed class AuditTrailTests(PostgresFixture postgres)
{
    [Theory]
    [InlineData("update audit set actor = 'nobody' where sequence = 3")]
    [InlineData("update audit set at = at + interval '1 microsecond' where sequence = 3")]
    [InlineData("update audit set subject = subject || 'x', detail = substr(detail, 2) where sequence = 3")]
    [InlineData("delete from audit where sequence = 3")]
    [InlineData("update audit set sequence = sequence + 1000 where sequence >= 3")]
    [InlineData("delete from audit where sequence = 1")]
    public async Task Verify_RowWasTouched_Says(string damage)
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await FillAsync(catalog);
        (await catalog.Audit.VerifyAsync(CancellationToken.None)).ShouldBe(9);

        await using var command = catalog.Source.CreateCommand(damage);
        await command.ExecuteNonQueryAsync();
        (await Should.ThrowAsync<CatalogException>(() => catalog.Audit.VerifyAsync(CancellationToken.None))).Fault.ShouldBe(CatalogFault.AuditBroken);
    }

    [Fact]
    public async Task Append_FromManyAtOnce_StaysOneChain()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await Task.WhenAll(Enumerable.Range(0, 20).Select(async i =>
        {
            await catalog.Assets.NoteAsync(new($"asset-{i}"), Policy.SourceKind.Files, TestCatalog.Agent, TestCatalog.Vault, CancellationToken.None);
            await catalog.RunningAsync($"r{i}", new($"asset-{i}"));
        }));
        (await catalog.Audit.VerifyAsync(CancellationToken.None)).ShouldBe(40);
    }

    private static async Task FillAsync(TestCatalog catalog)
    {
        for (var i = 0; i < 3; i++)
        {
            await catalog.RunningAsync($"r{i}");
            await catalog.Runs.CloseAsync(new($"r{i}"), RunState.Failed, new OutcomeReason("x", "x", ""), CancellationToken.None);
        }
    }
}
