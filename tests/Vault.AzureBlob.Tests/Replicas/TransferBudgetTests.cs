using Backup.Vault.Replicating;
using Microsoft.Extensions.Time.Testing;
using Shouldly;

namespace Backup.Vault.AzureBlob.Tests.Replicas;

public sealed class TransferBudgetTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 5, 4, 12, 0, 0, TimeSpan.Zero));

    [Fact]
    public async Task Spend_ManyObjects_TakesTheTimeThatTheRateSays()
    {
        using var budget = new TransferBudget(_time, _ => 1000);
        (await SecondsAsync(budget, 20, 500)).ShouldBe(9.5, 0.6);
    }

    [Fact]
    public async Task Spend_NoLimit_NeverWaits()
    {
        using var budget = new TransferBudget(_time, _ => null);
        (await SecondsAsync(budget, 50, long.MaxValue / 100)).ShouldBe(0);
    }

    [Fact]
    public async Task Spend_AfterSilence_HasSavedNoMoreThanTheMost()
    {
        using var budget = new TransferBudget(_time, _ => 1000);
        await budget.SpendAsync(1, CancellationToken.None);
        _time.Advance(TimeSpan.FromHours(1));
        (await SecondsAsync(budget, 10, 1000)).ShouldBe(7, 1.1);
    }

    [Fact]
    public async Task Spend_RateRisesMeanwhile_IsNoticed()
    {
        var begin = _time.GetUtcNow();
        using var budget = new TransferBudget(_time, now => now - begin < TimeSpan.FromMinutes(1) ? 1 : 1_000_000);
        (await SecondsAsync(budget, 3, 100_000)).ShouldBeInRange(60, 75);
    }

    [Fact]
    public async Task Spend_Cancelled_Throws()
    {
        using var budget = new TransferBudget(_time, _ => 1);
        await budget.SpendAsync(1000, CancellationToken.None);
        await Should.ThrowAsync<OperationCanceledException>(() => budget.SpendAsync(1, new CancellationToken(canceled: true)));
    }

    /// <summary>How long it takes by the clock that only this method moves.</summary>
    private async Task<double> SecondsAsync(TransferBudget budget, int objects, long bytesEach)
    {
        var begin = _time.GetUtcNow();
        for (var i = 0; i < objects; i++)
        {
            var spent = budget.SpendAsync(bytesEach, CancellationToken.None);
            while (!spent.IsCompleted)
            {
                _time.Advance(TimeSpan.FromMilliseconds(100));
                await Task.Yield();
            }

            await spent;
        }

        return (_time.GetUtcNow() - begin).TotalSeconds;
    }
}
