using Backup.Agent.Jobs;
using Backup.AgentApi;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;

namespace Backup.Agent.Tests.Jobs;

public sealed class JobBookTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly FakeTimeProvider _time = new(Orders.Start);
    private readonly CancellationToken _cancel = TestContext.Current.CancellationToken;

    private string LogFile => _scratch["jobs.journal"];

    [Fact]
    public async Task Accept_SameOrderConcurrently_IsOneJob()
    {
        using var book = Open();
        var order = Orders.Backup();

        var answers = await Task.WhenAll(Enumerable.Range(0, 32).Select(_ => Task.Run(() => book.Accept(Orders.Claim("order-1", order), order)!.Value)));

        answers.Count(a => a.Verdict == ReplayVerdict.First).ShouldBe(1);
        answers.Count(a => a.Verdict == ReplayVerdict.Repeat).ShouldBe(31);
        answers.ShouldAllBe(a => a.Ticket.State == JobState.Queued);
        book.Counts().ShouldBe((0, 1));
    }

    [Fact]
    public async Task Accept_RepeatAfterEndAndRestart_AnswersFromTheJournal()
    {
        using (var book = Open())
        {
            Accept(book, "order-1");
            await RunNextAsync(book, JobState.Partial);
        }

        using var again = Open();
        var answer = again.Accept(Orders.Claim("order-1", Orders.Backup()), Orders.Backup())!.Value;
        answer.Verdict.ShouldBe(ReplayVerdict.Repeat);
        answer.Ticket.State.ShouldBe(JobState.Partial);
        again.Counts().ShouldBe((0, 0));
    }

    [Fact]
    public void Accept_OtherOrderUnderTheSameId_IsAConflict()
    {
        using var book = Open();
        Accept(book, "order-1");

        book.Accept(Orders.Claim("order-1", Orders.Backup("other"), "other"), Orders.Backup("other"))!.Value.Verdict.ShouldBe(ReplayVerdict.Conflict);
    }

    [Fact]
    public void Accept_MoreThanTheLimitUnfinished_IsRefused()
    {
        using var book = Open();
        for (var i = 0; i < JobBook.UnfinishedJobsMax; i++)
        {
            Accept(book, $"order-{i}");
        }

        book.Accept(Orders.Claim("one-more", Orders.Backup()), Orders.Backup()).ShouldBeNull();
        // A repeat of one that is there is still answered.
        book.Accept(Orders.Claim("order-0", Orders.Backup()), Orders.Backup()).ShouldNotBeNull();
    }

    [Fact]
    public async Task Accept_QueuedJobOrderedAgainWithFreshCredential_RunsWithTheFreshOne()
    {
        using (var book = Open())
        {
            book.Accept(Orders.Claim("order-1", Orders.Replicate("sig=old")), Orders.Replicate("sig=old"));
            book.Accept(Orders.Claim("order-1", Orders.Replicate("sig=fresh")), Orders.Replicate("sig=fresh"));
        }

        using var again = Open();
        var started = await again.StartNextAsync(_cancel);
        started.Payload.ShouldBeOfType<ReplicateOrder>().Replica!.Sas.Reveal().ShouldBe("sig=fresh");
    }

    [Fact]
    public async Task Open_JournalCutAtEveryByte_KeepsEveryAcknowledgedStep()
    {
        var steps = new List<(long Length, OrderId Id, JobState State)>();
        using (var book = Open())
        {
            void Note(string id, JobState state) => steps.Add((new FileInfo(LogFile).Length, OrderId.Parse(id), state));

            Accept(book, "a");
            Note("a", JobState.Queued);
            Accept(book, "b");
            Note("b", JobState.Queued);
            await RunNextAsync(book, JobState.Succeeded);
            Note("a", JobState.Succeeded);
            book.Cancel(OrderId.Parse("b"));
            Note("b", JobState.Cancelled);
            Accept(book, "c");
            Note("c", JobState.Queued);
        }

        var whole = await File.ReadAllBytesAsync(LogFile, _cancel);
        for (var cut = 0; cut <= whole.Length; cut++)
        {
            await File.WriteAllBytesAsync(LogFile, whole[..cut], _cancel);
            using var book = Open();
            foreach (var acknowledged in steps.Where(s => s.Length <= cut).GroupBy(s => s.Id))
            {
                // Further along than acknowledged is fine (the next record was whole); never behind, never forgotten.
                var state = (await book.WaitAsync(acknowledged.Key, TimeSpan.Zero, _cancel)).State;
                var last = acknowledged.Last().State;
                (state == last || (!last.IsFinal() && state != JobState.Unknown)).ShouldBeTrue($"cut at {cut}: {acknowledged.Key} is {state}, was acknowledged as {last}");
            }
        }
    }

    [Fact]
    public async Task StartNext_SeveralWaiting_BeginsTheMostUrgentAndForgetsNone()
    {
        using (var book = Open())
        {
            Accept("copy", Orders.Replicate("sig=x"));
            Accept("later", Orders.Backup() with { Priority = JobPriority.Low });
            Accept("usual", Orders.Backup());
            Accept("soon", Orders.Backup() with { Priority = JobPriority.High });
            Accept("now", Orders.Backup() with { Priority = JobPriority.Urgent });
            Accept("raised", Orders.Backup() with { Priority = JobPriority.Low });
            // The same order again with another priority is the same job.
            book.Accept(Orders.Claim("raised", Orders.Backup()), Orders.Backup() with { Priority = JobPriority.Urgent })!.Value.Verdict.ShouldBe(ReplayVerdict.Repeat);

            void Accept(string id, JobOrder order) => book.Accept(Orders.Claim(id, order), order).ShouldNotBeNull();
        }

        using var again = Open();
        _time.Advance(3.5 * JobQueue.RankedUpAfter);
        var late = Orders.Backup() with { Priority = JobPriority.Urgent };
        again.Accept(Orders.Claim("late", late), late).ShouldNotBeNull();
        var order = new List<string>();
        for (var i = 0; i < 7; i++)
        {
            order.Add((await again.StartNextAsync(_cancel)).Job.OrderId.Value);
        }

        order.ShouldBe(["now", "raised", "soon", "usual", "copy", "later", "late"]);
    }

    [Fact]
    public async Task Open_AfterADeathWhileRunning_QueuesTheJobAgain()
    {
        using (var book = Open())
        {
            Accept(book, "order-1");
            await book.StartNextAsync(_cancel);
        }

        using var again = Open();
        var started = await again.StartNextAsync(_cancel);
        started.Job.OrderId.Value.ShouldBe("order-1");
        started.Job.Attempts.ShouldBe(2);
        started.Payload.ShouldBeOfType<BackupOrder>().Files!.Paths.ShouldBe(["/srv/fits"]);
    }

    [Fact]
    public async Task StartNext_JobThatKilledTheAgentTooOften_IsOnlyClearedAwayAfterAndEnded()
    {
        await KillTheAgentWithAsync("poison");

        // Dying while it is cleared away after changes nothing: it is given up again.
        for (var clearing = 0; clearing < 2; clearing++)
        {
            using var book = Open();
            (await book.StartNextAsync(_cancel)).IsGivenUp.ShouldBeTrue();
        }

        using var last = Open();
        Accept(last, "good");
        var given = await last.StartNextAsync(_cancel);
        (given.Job.OrderId.Value, given.IsGivenUp).ShouldBe(("poison", true));
        given.Payload.ShouldBeOfType<BackupOrder>();
        last.End(given.Job, JobEndings.GivenUp(given.Job, _time.GetUtcNow(), "A file is left."));
        var report = await last.WaitAsync(OrderId.Parse("poison"), TimeSpan.Zero, _cancel);
        (report.State, report.Failure!.Code).ShouldBe((JobState.Failed, FailureCode.Interrupted));
        report.Failure.Message.ShouldEndWith(" A file is left.");
        var next = await last.StartNextAsync(_cancel);
        (next.Job.OrderId.Value, next.IsGivenUp).ShouldBe(("good", false));
    }

    [Fact]
    public async Task Cancel_JobThatKilledTheAgentTooOften_EndsCancelled()
    {
        await KillTheAgentWithAsync("poison");

        using var last = Open();
        last.Cancel(OrderId.Parse("poison")).State.ShouldBe(JobState.Queued);
        var given = await last.StartNextAsync(_cancel);
        given.IsGivenUp.ShouldBeTrue();
        last.End(given.Job, JobEndings.GivenUp(given.Job, _time.GetUtcNow(), null));
        (await last.WaitAsync(OrderId.Parse("poison"), TimeSpan.Zero, _cancel)).State.ShouldBe(JobState.Cancelled);
    }

    [Fact]
    public async Task Interrupt_OrderlyStops_NeverCountAsAttempts()
    {
        using (var book = Open())
        {
            Accept(book, "order-1");
        }

        for (var stop = 0; stop < 2 * JobBook.AttemptsMax; stop++)
        {
            using var book = Open();
            book.Interrupt((await book.StartNextAsync(_cancel)).Job);
        }

        using var last = Open();
        (await last.StartNextAsync(_cancel)).Job.Attempts.ShouldBe(1);
    }

    [Fact]
    public async Task Cancel_RunningJobThenDeath_IsBegunOnceMoreWithAStopAfterTheRestart()
    {
        using (var book = Open())
        {
            Accept(book, "order-1");
            var started = await book.StartNextAsync(_cancel);
            book.Cancel(OrderId.Parse("order-1")).State.ShouldBe(JobState.Running);
            await Should.ThrowAsync<OperationCanceledException>(Task.Delay(Timeout.Infinite, started.Stop));
        }

        using var again = Open();
        Accept(again, "order-2");
        var stopped = await again.StartNextAsync(_cancel);
        (stopped.Job.OrderId.Value, stopped.Stop.IsCancellationRequested).ShouldBe(("order-1", true));
        again.End(stopped.Job, JobEndings.Cancelled(stopped.Job, _time.GetUtcNow(), "A file is left."));
        var report = await again.WaitAsync(OrderId.Parse("order-1"), TimeSpan.Zero, _cancel);
        (report.State, report.Failure!.Message).ShouldBe((JobState.Cancelled, "The job was cancelled. A file is left."));
        (await again.StartNextAsync(_cancel)).Job.OrderId.Value.ShouldBe("order-2");
    }

    [Fact]
    public async Task Cancel_JobThatWasInterrupted_WaitsForItsTurnToClearAway()
    {
        using (var book = Open())
        {
            Accept(book, "order-1");
            book.Interrupt((await book.StartNextAsync(_cancel)).Job);
        }

        using var again = Open();
        again.Cancel(OrderId.Parse("order-1")).State.ShouldBe(JobState.Queued);
        (await again.StartNextAsync(_cancel)).Stop.IsCancellationRequested.ShouldBeTrue();
    }

    [Fact]
    public async Task Cancel_EndedOrUnknownJob_ChangesNothing()
    {
        using var book = Open();
        Accept(book, "order-1");
        await RunNextAsync(book, JobState.Succeeded);
        var length = new FileInfo(LogFile).Length;

        book.Cancel(OrderId.Parse("order-1")).State.ShouldBe(JobState.Succeeded);
        book.Cancel(OrderId.Parse("never")).State.ShouldBe(JobState.Unknown);
        new FileInfo(LogFile).Length.ShouldBe(length);
    }

    [Fact]
    public async Task Wait_JobThatEndsMeanwhile_AnswersEarly()
    {
        using var book = Open();
        Accept(book, "order-1");
        var waiting = book.WaitAsync(OrderId.Parse("order-1"), TimeSpan.FromSeconds(45), _cancel);
        waiting.IsCompleted.ShouldBeFalse();

        await RunNextAsync(book, JobState.Succeeded);

        (await waiting).State.ShouldBe(JobState.Succeeded); // The fake clock never moved.
    }

    [Fact]
    public async Task Wait_JobThatGoesOn_AnswersAfterTheWaitWithItsProgress()
    {
        using var book = Open();
        Accept(book, "order-1");
        var started = await book.StartNextAsync(_cancel);
        book.Progress(started.Job, new JobProgress { Phase = "copying", BytesDone = 7 });
        var waiting = book.WaitAsync(OrderId.Parse("order-1"), TimeSpan.FromSeconds(45), _cancel);

        _time.Advance(TimeSpan.FromSeconds(45));

        var report = await waiting;
        report.State.ShouldBe(JobState.Running);
        report.Progress!.BytesDone.ShouldBe(7);
    }

    [Fact]
    public async Task Compact_EndedJobs_LeavesNoCredentialAndKeepsOutcomes()
    {
        using (var book = Open())
        {
            book.Accept(Orders.Claim("order-1", Orders.Replicate("sig=secret")), Orders.Replicate("sig=secret"));
            await RunNextAsync(book, JobState.Succeeded);
            Accept(book, "waits");
            book.Compact();
        }

        (await File.ReadAllTextAsync(LogFile, _cancel)).ShouldNotContain("secret");
        using var again = Open();
        (await again.WaitAsync(OrderId.Parse("order-1"), TimeSpan.Zero, _cancel)).State.ShouldBe(JobState.Succeeded);
        (await again.StartNextAsync(_cancel)).Job.OrderId.Value.ShouldBe("waits");
    }

    [Fact]
    public async Task Compact_OldFinishedJobs_AreForgottenOnlyAfterTheirTime()
    {
        using var book = Open();
        Accept(book, "order-1");
        await RunNextAsync(book, JobState.Succeeded);

        _time.Advance(JobBook.KeptFor);
        book.Compact();
        (await book.WaitAsync(OrderId.Parse("order-1"), TimeSpan.Zero, _cancel)).State.ShouldBe(JobState.Succeeded);

        _time.Advance(TimeSpan.FromSeconds(1));
        book.Compact();
        (await book.WaitAsync(OrderId.Parse("order-1"), TimeSpan.Zero, _cancel)).State.ShouldBe(JobState.Unknown);
    }

    [Fact]
    public async Task End_ManyJobs_KeepsTheJournalSmall()
    {
        using var book = Open();
        var order = Orders.Backup("fits", [.. Enumerable.Range(0, 400).Select(i => $"/srv/fits/a-rather-long-path-so-that-orders-are-large/{i}")]);
        for (var i = 0; i < 200; i++)
        {
            book.Accept(Orders.Claim($"order-{i}", order), order);
            await RunNextAsync(book, JobState.Succeeded);
        }

        new FileInfo(LogFile).Length.ShouldBeLessThan(2 << 20); // 200 orders of about 25 kB would be 5 MB.
    }

    public void Dispose() => _scratch.Dispose();

    private JobBook Open() => JobBook.Open(LogFile, _time, NullLogger.Instance);

    private static void Accept(JobBook book, string id)
    {
        var order = Orders.Backup();
        book.Accept(Orders.Claim(id, order), order).ShouldNotBeNull().Verdict.ShouldBe(ReplayVerdict.First);
    }

    private async Task KillTheAgentWithAsync(string id)
    {
        using (var book = Open())
        {
            Accept(book, id);
        }

        for (var attempt = 0; attempt < JobBook.AttemptsMax; attempt++)
        {
            using var book = Open();
            var started = await book.StartNextAsync(_cancel);
            (started.Job.OrderId.Value, started.IsGivenUp).ShouldBe((id, false));
        }
    }

    private async Task RunNextAsync(JobBook book, JobState end)
    {
        var job = (await book.StartNextAsync(_cancel)).Job;
        book.End(job, job.Report() with { State = end, EndedAt = _time.GetUtcNow() });
    }
}
