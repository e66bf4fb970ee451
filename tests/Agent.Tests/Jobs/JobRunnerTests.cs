using Backup.Agent.Jobs;
using Backup.Agent.Work;
using Backup.AgentApi;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;

namespace Backup.Agent.Tests.Jobs;

public sealed class JobRunnerTests : IDisposable
{
    private readonly CancellationToken _cancel = TestContext.Current.CancellationToken;
    private readonly ScratchFolder _scratch = new();
    private readonly JobBook _book;

    public JobRunnerTests() => _book = Open();

    [Fact]
    public async Task Cancel_RunningJob_EndsCancelled()
    {
        var work = new ScriptedWork();
        using var runner = await StartAsync(work);
        Accept("order-1");
        await work.Begun.WaitAsync(_cancel);

        _book.Cancel(OrderId.Parse("order-1"));

        var report = await _book.WaitAsync(OrderId.Parse("order-1"), Timeout.InfiniteTimeSpan, _cancel);
        (report.State, report.Failure!.Code).ShouldBe((JobState.Cancelled, FailureCode.Cancelled));
        await runner.StopAsync(_cancel);
    }

    [Fact]
    public async Task Stop_RunningJob_IsPutBackAndRunsAfterTheRestart()
    {
        var work = new ScriptedWork();
        using (var runner = await StartAsync(work))
        {
            Accept("order-1");
            await work.Begun.WaitAsync(_cancel);
            await runner.StopAsync(_cancel);
        }

        _book.Counts().ShouldBe((0, 1));
        _book.Dispose();
        using var again = Open();
        (await again.StartNextAsync(_cancel)).Job.Attempts.ShouldBe(1);
    }

    [Fact]
    public async Task Run_WorkThatThrowsSomethingUnexpected_FailsTheJobAndGoesOn()
    {
        var work = new ScriptedWork { Failure = new InvalidOperationException("password=topsecret") };
        using var runner = await StartAsync(work);
        Accept("order-1");
        var report = await _book.WaitAsync(OrderId.Parse("order-1"), Timeout.InfiniteTimeSpan, _cancel);

        (report.State, report.Failure!.Code).ShouldBe((JobState.Failed, FailureCode.Internal));
        report.Failure.Message.ShouldNotContain("topsecret");
        report.Failure.Message.ShouldEndWith(". What order-1 made is left.");
        Accept("order-2");
        (await _book.WaitAsync(OrderId.Parse("order-2"), Timeout.InfiniteTimeSpan, _cancel)).State.ShouldBe(JobState.Failed);
        await runner.StopAsync(_cancel);
    }

    [Fact]
    public async Task Run_JobThatKilledTheAgentTooOften_IsClearedAwayAfterAndNotDone()
    {
        Accept("poison");
        _book.Dispose();
        for (var attempt = 0; attempt < JobBook.AttemptsMax; attempt++)
        {
            using var dying = Open();
            await dying.StartNextAsync(_cancel);
        }

        using var book = Open();
        var work = new ScriptedWork();
        using var runner = await StartAsync(work, book: book);
        var report = await book.WaitAsync(OrderId.Parse("poison"), Timeout.InfiniteTimeSpan, _cancel);

        (report.State, report.Failure!.Code).ShouldBe((JobState.Failed, FailureCode.Interrupted));
        report.Failure.Message.ShouldEndWith(" What poison made is left.");
        work.Seen.ShouldBeEmpty();
        await runner.StopAsync(_cancel);
    }

    [Fact]
    public async Task Run_MoreJobsThanAllowedAtOnce_KeepsTheRestWaiting()
    {
        var work = new ScriptedWork();
        using var runner = await StartAsync(work, concurrentJobs: 2);
        foreach (var id in (string[])["order-1", "order-2", "order-3"])
        {
            Accept(id);
        }

        await work.Begun.WaitAsync(_cancel);
        await work.Begun.WaitAsync(_cancel);
        _book.Counts().ShouldBe((2, 1));
        _book.Cancel(OrderId.Parse("order-1"));
        await work.Begun.WaitAsync(_cancel);
        work.Seen.ShouldBe(["order-1", "order-2", "order-3"], ignoreOrder: true);
        await runner.StopAsync(_cancel);
    }

    public void Dispose()
    {
        _book.Dispose();
        _scratch.Dispose();
    }

    private JobBook Open() => JobBook.Open(_scratch["jobs.journal"], TimeProvider.System, NullLogger.Instance);

    private void Accept(string id) => _book.Accept(Orders.Claim(id, Orders.Backup()), Orders.Backup()).ShouldNotBeNull();

    private async Task<JobRunner> StartAsync(IOrderWork work, int concurrentJobs = 1, JobBook? book = null)
    {
        var runner = new JobRunner(book ?? _book, work, concurrentJobs, TimeProvider.System, NullLogger<JobRunner>.Instance);
        await runner.StartAsync(_cancel);
        return runner;
    }

    /// <summary>Works until it is stopped, or fails at once.</summary>
    private sealed class ScriptedWork : IOrderWork
    {
        private readonly List<string> _seen = [];

        public SemaphoreSlim Begun { get; } = new(0);

        public Exception? Failure { get; init; }

        public IReadOnlyList<string> Seen => _seen;

        public async Task<JobOutcome> RunAsync(OrderId id, DateTimeOffset acceptedAt, OrderPayload order, IProgress<JobProgress> progress, CancellationToken cancel)
        {
            lock (_seen)
            {
                _seen.Add(id.Value);
            }

            Begun.Release();
            if (Failure is not null)
            {
                throw Failure;
            }

            await Task.Delay(Timeout.Infinite, cancel);
            throw new InvalidOperationException("an infinite wait ended");
        }

        public string? Abandon(OrderId id, OrderPayload order) => $"What {id} made is left.";
    }
}
