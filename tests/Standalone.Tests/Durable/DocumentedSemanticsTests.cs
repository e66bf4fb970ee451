using System.Collections.Concurrent;
using System.Globalization;
using Backup.Services.Testing;
using DurableTask.Core.Exceptions;
using DurableTask.Core.History;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Client;
using Microsoft.DurableTask.Worker;
using Shouldly;

namespace Backup.Standalone.Tests.Durable;

/// <summary>What the documentation of Durable Task promises, test by test.</summary>
public sealed class DocumentedSemanticsTests(PostgresFixture postgres)
{
    [Fact]
    public async Task RetryPolicy_WaitsFirstInterval_ThenByCoefficient_UpToTheLongestInterval()
    {
        var tries = new ConcurrentQueue<DateTime>();
        await using var app = await StartAsync(r => r
            .AddOrchestratorFunc("Retries", context => context.CallActivityAsync("Fail", options: TaskOptions.FromRetryPolicy(new RetryPolicy(
                5, TimeSpan.FromMilliseconds(100), backoffCoefficient: 2, maxRetryInterval: TimeSpan.FromMilliseconds(300)))))
            .AddActivityFunc("Fail", _ =>
            {
                tries.Enqueue(DateTime.UtcNow);
                throw new InvalidOperationException("no");
            }));

        var result = await app.RunAsync("Retries");

        result.RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Failed);
        var waits = tries.Zip(tries.Skip(1), (a, b) => (b - a).TotalMilliseconds).ToList();
        waits.Count.ShouldBe(4);
        waits[0].ShouldBeGreaterThanOrEqualTo(99);
        waits[1].ShouldBeGreaterThanOrEqualTo(199);
        waits[2].ShouldBeGreaterThanOrEqualTo(299);
        waits[3].ShouldBeGreaterThanOrEqualTo(299);
    }

    [Fact]
    public async Task RetryPolicy_StopsAtItsTimeout_AndAtFailuresItDoesNotHandle()
    {
        var tries = new ConcurrentDictionary<string, int>();
        await using var app = await StartAsync(r => r
            .AddOrchestratorFunc<string, bool>("Retries", async (context, kind) =>
            {
                var policy = kind == "timeout"
                    ? new RetryPolicy(100, TimeSpan.FromMilliseconds(100), retryTimeout: TimeSpan.FromMilliseconds(250))
                    : new RetryPolicy(100, TimeSpan.FromMilliseconds(1)) { HandleFailure = f => f.IsCausedBy<ArithmeticException>() };
                try
                {
                    await context.CallActivityAsync("Fail", kind, TaskOptions.FromRetryPolicy(policy));
                    return false;
                }
                catch (TaskFailedException)
                {
                    return true;
                }
            })
            .AddActivityFunc<string>("Fail", (_, kind) =>
            {
                // A division by zero is an arithmetic exception: derived types count, too.
                var count = tries.AddOrUpdate(kind!, 1, (_, n) => n + 1);
                throw kind == "unhandled" && count < 3 ? new DivideByZeroException() : new InvalidOperationException("no");
            }));

        (await app.RunAsync("Retries", "timeout")).ReadOutputAs<bool>().ShouldBeTrue();
        (await app.RunAsync("Retries", "unhandled")).ReadOutputAs<bool>().ShouldBeTrue();
        tries["timeout"].ShouldBeInRange(2, 4);
        tries["unhandled"].ShouldBe(3);
    }

    [Fact]
    public async Task RetriedSubOrchestration_KeepsItsInstanceId()
    {
        await using var app = await StartAsync(r => r
            .AddOrchestratorFunc<object?, string>("Parent", (context, _) => context.CallSubOrchestratorAsync<string>(
                "Child", null, TaskOptions.FromRetryPolicy(new RetryPolicy(3, TimeSpan.FromMilliseconds(1))).WithInstanceId("the-child")))
            .AddOrchestratorFunc<object?, string>("Child", async (context, _) =>
                await context.CallActivityAsync<int>("Count", context.InstanceId) < 3
                    ? throw new InvalidOperationException("not yet")
                    : context.InstanceId)
            .AddActivityFunc<string, int>("Count", Counter()));

        (await app.RunAsync("Parent")).ReadOutputAs<string>().ShouldBe("the-child");
    }

    [Fact]
    public async Task FailureOfAFailure_IsToldWithTaskNameAndNumber()
    {
        await using var app = await StartAsync(r => r
            .AddOrchestratorFunc("Outer", context => context.CallSubOrchestratorAsync("Inner"))
            .AddOrchestratorFunc("Inner", context => context.CallActivityAsync("Fail"))
            .AddActivityFunc("Fail", _ => throw new FormatException("why")));

        var failure = (await app.RunAsync("Outer")).FailureDetails!;

        failure.ErrorType.ShouldBe(typeof(TaskFailedException).FullName);
        failure.ErrorMessage.ShouldBe(
            "Task 'Inner' (#0) failed with an unhandled exception: Task 'Fail' (#0) failed with an unhandled exception: why");
        failure.InnerFailure!.ErrorType.ShouldBe(typeof(TaskFailedException).FullName);
        failure.InnerFailure.InnerFailure!.ErrorType.ShouldBe(typeof(FormatException).FullName);
        failure.InnerFailure.InnerFailure.IsCausedBy<SystemException>().ShouldBeTrue();
        failure.IsCausedBy<FormatException>().ShouldBeFalse();
    }

    [Fact]
    public async Task EventWaits_NewestFirst_AndACancelledOneTakesNoEvent()
    {
        await using var app = await StartAsync(r => r.AddOrchestratorFunc<object?, string>("Waits", async (context, _) =>
        {
            using var cancel = new CancellationTokenSource();
            var oldest = context.WaitForExternalEvent<int>("number");
            var newest = context.WaitForExternalEvent<int>("number");
            var cancelled = context.WaitForExternalEvent<int>("NUMBER", cancel.Token);
            cancel.Cancel();
            context.SetCustomStatus("waiting");
            await Task.WhenAll(oldest, newest);
            return $"{oldest.Result} {newest.Result} {cancelled.Status}";
        }));
        var id = await app.Client.ScheduleNewOrchestrationInstanceAsync("Waits");
        await app.UntilStatusAsync(id, "waiting");

        await app.Client.RaiseEventAsync(id, "Number", 1);
        await app.Client.RaiseEventAsync(id, "Number", 2);

        (await app.CompleteAsync(id)).ReadOutputAs<string>().ShouldBe("2 1 Canceled");
    }

    [Fact]
    public async Task DedupeStatuses_DecideWhichInstancesAreReplaced()
    {
        await using var app = await StartAsync(r => r.AddOrchestratorFunc<bool, bool>("Maybe", async (context, waits) =>
        {
            if (waits)
            {
                await context.WaitForExternalEvent<object>("never");
            }

            return waits;
        }));
        var options = new StartOrchestrationOptions("one");
        await app.RunAsync("Maybe", false, options);

        await Should.ThrowAsync<OrchestrationAlreadyExistsException>(() => app.Client.ScheduleNewOrchestrationInstanceAsync(
            "Maybe", true, options.WithDedupeStatuses(OrchestrationRuntimeStatus.Completed)));
        await app.Client.ScheduleNewOrchestrationInstanceAsync("Maybe", true, options.WithDedupeStatuses(OrchestrationRuntimeStatus.Failed));
        await app.Client.WaitForInstanceStartAsync("one", TestContext.Current.CancellationToken);
        await Should.ThrowAsync<OrchestrationAlreadyExistsException>(() => app.Client.ScheduleNewOrchestrationInstanceAsync("Maybe", false, options));
        (await app.RunAsync("Maybe", false, options.WithDedupeStatuses())).ReadOutputAs<bool>().ShouldBeFalse();
        await Should.ThrowAsync<ArgumentException>(() => app.Client.ScheduleNewOrchestrationInstanceAsync(
            "Maybe", false, options with { DedupeStatuses = ["Nonsense"] }));
    }

    [Fact]
    public async Task Terminate_OfPendingSuspendedAndFinishedInstances()
    {
        await using var app = await StartAsync(r => r
            .AddOrchestratorFunc("Waits", context => context.WaitForExternalEvent<object>("never"))
            .AddOrchestratorFunc<object?, int>("Ends", (_, _) => 1));
        var pending = await app.Client.ScheduleNewOrchestrationInstanceAsync(
            "Waits", new StartOrchestrationOptions(StartAt: DateTimeOffset.UtcNow.AddHours(1)));
        var suspended = await app.Client.ScheduleNewOrchestrationInstanceAsync("Waits");
        await app.Client.SuspendInstanceAsync(suspended, "a while");
        await app.UntilAsync(suspended, m => m.RuntimeStatus == OrchestrationRuntimeStatus.Suspended);
        var finished = (await app.RunAsync("Ends")).InstanceId;

        foreach (var id in new[] { pending, suspended, finished })
        {
            await app.Client.TerminateInstanceAsync(id, "the end");
        }

        (await app.CompleteAsync(pending)).ReadOutputAs<string>().ShouldBe("the end");
        (await app.CompleteAsync(suspended)).RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Terminated);
        (await app.CompleteAsync(finished)).RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Completed);
    }

    [Fact]
    public async Task Suspended_KeepsEventsInOrder_UntilResumed()
    {
        await using var app = await StartAsync(r => r.AddOrchestratorFunc<object?, string>("Reads", async (context, _) =>
        {
            var read = string.Empty;
            while (read.Length < 3)
            {
                read += await context.WaitForExternalEvent<string>("letter");
            }

            return read;
        }));
        var id = await app.Client.ScheduleNewOrchestrationInstanceAsync("Reads");
        await app.Client.SuspendInstanceAsync(id);
        await app.UntilAsync(id, m => m.RuntimeStatus == OrchestrationRuntimeStatus.Suspended);
        foreach (var letter in new[] { "a", "b", "c" })
        {
            await app.Client.RaiseEventAsync(id, "letter", letter);
        }

        (await app.Client.GetInstanceAsync(id))!.RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Suspended);
        await app.Client.ResumeInstanceAsync(id, "go on");

        (await app.CompleteAsync(id)).ReadOutputAs<string>().ShouldBe("abc");
    }

    [Fact]
    public async Task Purge_Recursive_TakesFinishedChildrenAlong()
    {
        await using var app = await StartAsync(r => r
            .AddOrchestratorFunc("Parent", context => context.CallSubOrchestratorAsync("Child", options: new SubOrchestrationOptions(instanceId: "child")))
            .AddOrchestratorFunc<object?, int>("Child", (_, _) => 1));
        var first = await app.RunAsync("Parent");

        (await app.Client.PurgeInstanceAsync(first.InstanceId, new PurgeInstanceOptions(Recursive: true))).PurgedInstanceCount.ShouldBe(2);
        (await app.Client.GetInstanceAsync("child")).ShouldBeNull();
        var second = await app.RunAsync("Parent");
        (await app.Client.PurgeInstanceAsync(second.InstanceId)).PurgedInstanceCount.ShouldBe(1);
        (await app.Client.GetInstanceAsync("child")).ShouldNotBeNull();
        (await app.Client.PurgeInstanceAsync(second.InstanceId)).PurgedInstanceCount.ShouldBe(0);
    }

    [Fact]
    public async Task Restart_OfUnknownAndRunningInstances_IsRefused_AndANewIdIsGivenWhenAsked()
    {
        await using var app = await StartAsync(r => r
            .AddOrchestratorFunc<int, int>("Ends", (_, n) => n + 1)
            .AddOrchestratorFunc("Waits", context => context.WaitForExternalEvent<object>("never")));
        await Should.ThrowAsync<ArgumentException>(() => app.Client.RestartAsync("unknown"));
        var running = await app.Client.ScheduleNewOrchestrationInstanceAsync("Waits");
        await Should.ThrowAsync<InvalidOperationException>(() => app.Client.RestartAsync(running));
        var done = await app.RunAsync("Ends", 4);

        (await app.Client.RestartAsync(done.InstanceId)).ShouldBe(done.InstanceId);
        var other = await app.Client.RestartAsync(done.InstanceId, restartWithNewInstanceId: true);

        other.ShouldNotBe(done.InstanceId);
        (await app.CompleteAsync(other)).ReadOutputAs<int>().ShouldBe(5);
        (await app.CompleteAsync(done.InstanceId)).ReadOutputAs<int>().ShouldBe(5);
    }

    [Theory]
    [InlineData("2.0", DurableTaskWorkerOptions.VersionMatchStrategy.Strict, "2.0", true)]
    [InlineData("2.0", DurableTaskWorkerOptions.VersionMatchStrategy.Strict, "1.0", false)]
    [InlineData("2.0", DurableTaskWorkerOptions.VersionMatchStrategy.CurrentOrOlder, "1.9", true)]
    [InlineData("2.0", DurableTaskWorkerOptions.VersionMatchStrategy.CurrentOrOlder, "2.1", false)]
    [InlineData("2.0", DurableTaskWorkerOptions.VersionMatchStrategy.None, "7", true)]
    public async Task VersionStrategies_WithFail_FailWhatDoesNotMatch(
        string worker, DurableTaskWorkerOptions.VersionMatchStrategy strategy, string instance, bool runs)
    {
        await using var app = await StartAsync(
            r => r.AddOrchestratorFunc<object?, string>("Tells", (context, _) => context.Version),
            o => o.Versioning = new DurableTaskWorkerOptions.VersioningOptions
            {
                Version = worker,
                MatchStrategy = strategy,
                FailureStrategy = DurableTaskWorkerOptions.VersionFailureStrategy.Fail,
            });

        var result = await app.RunAsync("Tells", options: new StartOrchestrationOptions { Version = instance });

        result.RuntimeStatus.ShouldBe(runs ? OrchestrationRuntimeStatus.Completed : OrchestrationRuntimeStatus.Failed);
        if (runs)
        {
            result.ReadOutputAs<string>().ShouldBe(instance);
        }
        else
        {
            result.FailureDetails!.ErrorType.ShouldBe("VersionMismatch");
        }
    }

    [Fact]
    public async Task WaitForCompletion_CanBeCancelled_AndUnknownInstancesAreRefused()
    {
        await using var app = await StartAsync(r => r.AddOrchestratorFunc("Waits", context => context.WaitForExternalEvent<object>("never")));
        var id = await app.Client.ScheduleNewOrchestrationInstanceAsync("Waits");
        using var soon = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));

        await Should.ThrowAsync<OperationCanceledException>(() => app.Client.WaitForInstanceCompletionAsync(id, soon.Token));
        await Should.ThrowAsync<ArgumentException>(() => app.Client.WaitForInstanceStartAsync("unknown", TestContext.Current.CancellationToken));
        (await app.Client.GetInstanceAsync("unknown")).ShouldBeNull();
        var brief = (await app.Client.GetInstanceAsync(id))!;
        Should.Throw<InvalidOperationException>(() => brief.ReadOutputAs<int>());
        Should.Throw<InvalidOperationException>(() => brief.ReadInputAs<int>());
        Should.Throw<InvalidOperationException>(() => brief.ReadCustomStatusAs<int>());
    }

    [Fact]
    public async Task ValuesOfAnotherType_FailTheCallOrTheWait_ByTheConvertersException()
    {
        await using var app = await StartAsync(r => r
            .AddOrchestratorFunc<object?, string>("Mismatch", async (context, _) =>
            {
                var errors = new List<string>();
                try
                {
                    await context.CallActivityAsync<int>("TakesNumber", "not a number");
                }
                catch (TaskFailedException failed)
                {
                    errors.Add(failed.FailureDetails.ErrorType);
                }

                try
                {
                    await context.CallActivityAsync<int>("GivesText");
                }
                catch (System.Text.Json.JsonException)
                {
                    errors.Add("result");
                }

                context.SetCustomStatus("waiting");
                try
                {
                    await context.WaitForExternalEvent<int>("number");
                }
                catch (System.Text.Json.JsonException)
                {
                    errors.Add("event");
                }

                return string.Join('|', errors);
            })
            .AddActivityFunc<int, int>("TakesNumber", (_, n) => n)
            .AddActivityFunc<string>("GivesText", _ => "text"));
        var id = await app.Client.ScheduleNewOrchestrationInstanceAsync("Mismatch");
        await app.UntilStatusAsync(id, "waiting");
        await app.Client.RaiseEventAsync(id, "number", "text");

        (await app.CompleteAsync(id)).ReadOutputAs<string>().ShouldBe("System.Text.Json.JsonException|result|event");
    }

    [Fact]
    public async Task FieldsTuplesAndNulls_SurviveTheDefaultConverter_AndBigValuesPass()
    {
        await using var app = await StartAsync(r => r
            .AddOrchestratorFunc<(int A, string? B), string>("Tuples", async (context, pair) =>
            {
                var (a, b) = await context.CallActivityAsync<(int, string?)>("Swap", pair);
                var big = await context.CallActivityAsync<string>("Echo", new string('x', 4_000_000));
                var nothing = await context.CallActivityAsync<string?>("Echo");
                return $"{a} {b ?? "null"} {big.Length} {nothing ?? "null"}";
            })
            .AddActivityFunc<(int A, string? B), (int, string?)>("Swap", (_, pair) => (pair.A + 1, pair.B))
            .AddActivityFunc<string?, string?>("Echo", (_, text) => text));

        (await app.RunAsync("Tuples", (A: 1, B: (string?)null))).ReadOutputAs<string>().ShouldBe("2 null 4000000 null");
    }

    [Fact]
    public async Task WhenAnyAndWhenAll_TreatFailuresAsTasksDo()
    {
        await using var app = await StartAsync(r => r
            .AddOrchestratorFunc<object?, string>("Tasks", async (context, _) =>
            {
                var failing = context.CallActivityAsync("Fail");
                var slow = context.CreateTimer(TimeSpan.FromSeconds(30), CancellationToken.None);
                var first = await Task.WhenAny(failing, slow);
                try
                {
                    await Task.WhenAll(failing, context.CallActivityAsync("Fail"));
                    return "no failure";
                }
                catch (TaskFailedException failed)
                {
                    return $"{first == failing} {first.IsFaulted} {failed.TaskId}";
                }
            })
            .AddActivityFunc("Fail", _ => throw new InvalidOperationException("no")));

        (await app.RunAsync("Tasks")).ReadOutputAs<string>().ShouldBe("True True 0");
    }

    [Fact]
    public async Task History_TellsEveryStepWithItsAnswer()
    {
        await using var app = await StartAsync(r => r
            .AddOrchestratorFunc<object?, int>("Steps", async (context, _) =>
            {
                await context.CreateTimer(TimeSpan.FromMilliseconds(1), CancellationToken.None);
                return await context.CallActivityAsync<int>("One");
            })
            .AddActivityFunc("One", _ => 1));
        var result = await app.RunAsync("Steps");

        var history = await app.Client.GetOrchestrationHistoryAsync(result.InstanceId);

        history.Select(e => e.EventType).Where(e => e is not (EventType.OrchestratorStarted or EventType.OrchestratorCompleted)).ShouldBe([
            EventType.ExecutionStarted, EventType.TimerCreated, EventType.TimerFired, EventType.TaskScheduled, EventType.TaskCompleted,
            EventType.ExecutionCompleted,
        ]);
        await Should.ThrowAsync<ArgumentException>(() => app.Client.GetOrchestrationHistoryAsync("unknown"));
    }

    [Fact]
    public async Task Query_ByPrefixStatusAndTime_PagesByTokens()
    {
        await using var app = await StartAsync(r => r
            .AddOrchestratorFunc<object?, int>("Ends", (_, _) => 1)
            .AddOrchestratorFunc("Fails", _ => throw new InvalidOperationException("no")));
        var before = DateTimeOffset.UtcNow.AddSeconds(-1);
        for (var i = 0; i < 5; i++)
        {
            await app.RunAsync(i == 3 ? "Fails" : "Ends", i, new StartOrchestrationOptions(string.Create(CultureInfo.InvariantCulture, $"run-{i}")));
        }

        (await IdsAsync(app, new OrchestrationQuery(InstanceIdPrefix: "run-", Statuses: [OrchestrationRuntimeStatus.Failed]))).ShouldBe(["run-3"]);
        (await IdsAsync(app, new OrchestrationQuery(CreatedFrom: before, PageSize: 2))).Count.ShouldBe(5);
        (await IdsAsync(app, new OrchestrationQuery(CreatedTo: before))).ShouldBeEmpty();
        await using var pages = app.Client.GetAllInstancesAsync(new OrchestrationQuery(PageSize: 2)).AsPages().GetAsyncEnumerator(
            TestContext.Current.CancellationToken);
        (await pages.MoveNextAsync()).ShouldBeTrue();
        var token = pages.Current.ContinuationToken.ShouldNotBeNull();
        (await IdsAsync(app, new OrchestrationQuery(PageSize: 2, ContinuationToken: token))).Count.ShouldBe(3);
        await foreach (var instance in app.Client.GetAllInstancesAsync(new OrchestrationQuery(FetchInputsAndOutputs: true, InstanceIdPrefix: "run-2")))
        {
            instance.ReadInputAs<int>().ShouldBe(2);
        }
    }

    [Fact]
    public async Task WorkItemFilters_LeaveOtherWorkToOtherWorkers()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var orchestrations = await StartAsync(
            database, r => r.AddOrchestratorFunc<object?, string>("Calls", (context, _) => context.CallActivityAsync<string>("Where")));
        await using var activities = await StartAsync(database, r => r.AddActivityFunc("Where", _ => "over there"));

        for (var i = 0; i < 5; i++)
        {
            (await orchestrations.RunAsync("Calls")).ReadOutputAs<string>().ShouldBe("over there");
        }

        Task<DurableApp> StartAsync(string connection, Action<DurableTaskRegistry> tasks) => DurableApp.StartAsync(
            connection, tasks, services: s => s.AddDurableTaskWorker(worker => worker.UseWorkItemFilters()));
    }

    private static async Task<List<string>> IdsAsync(DurableApp app, OrchestrationQuery query)
    {
        var ids = new List<string>();
        await foreach (var instance in app.Client.GetAllInstancesAsync(query))
        {
            ids.Add(instance.InstanceId);
        }

        return ids;
    }

    private static Func<TaskActivityContext, string?, int> Counter()
    {
        var count = 0;
        return (_, _) => Interlocked.Increment(ref count);
    }

    private async Task<DurableApp> StartAsync(Action<DurableTaskRegistry> tasks, Action<DurableTaskWorkerOptions>? options = null) =>
        await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), tasks, options: options);
}
