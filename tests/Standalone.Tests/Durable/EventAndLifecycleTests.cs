using Backup.Services.Testing;
using DurableTask.Core.Exceptions;
using DurableTask.Core.History;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Client;
using Shouldly;

namespace Backup.Standalone.Tests.Durable;

public sealed class EventAndLifecycleTests(PostgresFixture postgres)
{
    [Fact]
    public async Task EarlyEvents_AreKeptInOrder_WithoutRegardToCase()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc<object?, string>("Collect", async (context, _) =>
            {
                context.SetCustomStatus("waiting");
                await context.WaitForExternalEvent<bool>("Begin");
                var all = new List<string>();
                for (var i = 0; i < 4; i++)
                {
                    all.Add(await context.WaitForExternalEvent<string>(i % 2 == 0 ? "ITEM" : "item"));
                }

                return string.Join(',', all);
            }));
        var id = await app.Client.ScheduleNewOrchestrationInstanceAsync("Collect");
        await app.UntilStatusAsync(id, "waiting");

        foreach (var item in new[] { "a", "b", "c", "d" })
        {
            await app.Client.RaiseEventAsync(id, "Item", item);
        }

        await app.Client.RaiseEventAsync(id, "begin", true);

        (await app.CompleteAsync(id)).ReadOutputAs<string>().ShouldBe("a,b,c,d");
    }

    [Fact]
    public async Task WaitForExternalEvent_WithTimeout_ThrowsTaskCanceled_AndLeavesTheNextEventAlone()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc<object?, string>("Timeout", async (context, _) =>
            {
                try
                {
                    await context.WaitForExternalEvent<string>("late", TimeSpan.FromMilliseconds(50));
                    return "came";
                }
                catch (TaskCanceledException)
                {
                    context.SetCustomStatus("timed out");
                    return "then " + await context.WaitForExternalEvent<string>("late");
                }
            })
            .AddOrchestratorFunc<object?, string>("InTime", async (context, _) =>
                await context.WaitForExternalEvent<string>("soon", TimeSpan.FromHours(1))));
        var late = await app.Client.ScheduleNewOrchestrationInstanceAsync("Timeout");
        var soon = await app.Client.ScheduleNewOrchestrationInstanceAsync("InTime");
        await app.UntilStatusAsync(late, "timed out");

        await app.Client.RaiseEventAsync(late, "late", "x");
        await app.Client.RaiseEventAsync(soon, "soon", "y");

        (await app.CompleteAsync(late)).ReadOutputAs<string>().ShouldBe("then x");
        (await app.CompleteAsync(soon)).ReadOutputAs<string>().ShouldBe("y");
    }

    [Fact]
    public async Task Timer_FiresNotBeforeItsTime_AndALosingOneIsCancelled()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc<object?, bool>("Wait", async (context, _) =>
            {
                var until = context.CurrentUtcDateTime.AddMilliseconds(120);
                await context.CreateTimer(until, CancellationToken.None);
                return context.CurrentUtcDateTime >= until;
            })
            .AddOrchestratorFunc<object?, string>("Race", async (context, _) =>
            {
                using var cancel = new CancellationTokenSource();
                var timer = context.CreateTimer(TimeSpan.FromDays(1), cancel.Token);
                var work = context.CallActivityAsync<string>("Quick");
                var winner = await Task.WhenAny(timer, work);
                cancel.Cancel();
                await context.CallActivityAsync<string>("Quick");
                return winner == work && timer.IsCanceled ? "work" : "timer";
            })
            .AddActivityFunc<string>("Quick", _ => "quick"));

        (await app.RunAsync("Wait")).ReadOutputAs<bool>().ShouldBeTrue();
        (await app.RunAsync("Race")).ReadOutputAs<string>().ShouldBe("work");
    }

    [Theory]
    [InlineData(true, "1,2,3")]
    [InlineData(false, "1")]
    public async Task ContinueAsNew_KeepsUnprocessedEventsWhenAsked(bool keep, string expected)
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc<string, string>("Again", async (context, so) =>
            {
                context.SetCustomStatus("waiting " + so);
                if (string.IsNullOrEmpty(so))
                {
                    await context.WaitForExternalEvent<bool>("begin");
                }

                var next = context.WaitForExternalEvent<int>("n");
                var item = so.Length > 0 && !keep ? 0 : await next;
                var sum = so.Length == 0 ? $"{item}" : item == 0 ? so : $"{so},{item}";
                if (sum.Length >= 5 || item == 0)
                {
                    return sum;
                }

                context.ContinueAsNew(sum, keep);
                return "ignored";
            }));
        var id = await app.Client.ScheduleNewOrchestrationInstanceAsync("Again", "");
        await app.UntilStatusAsync(id, "waiting ");
        for (var n = 1; n <= 3; n++)
        {
            await app.Client.RaiseEventAsync(id, "n", n);
        }

        await app.Client.RaiseEventAsync(id, "begin", true);

        var result = await app.CompleteAsync(id);
        result.ReadOutputAs<string>().ShouldBe(expected);
        (await app.Client.GetOrchestrationHistoryAsync(id)).Count(e => e.EventType == EventType.ExecutionStarted).ShouldBe(1);
    }

    [Fact]
    public async Task ContinueAsNew_ManyTimes_KeepsTheHistoryShort()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc<int, int>("Count", async (context, n) =>
            {
                await context.CallActivityAsync("Nothing");
                if (n < 20)
                {
                    context.ContinueAsNew(n + 1);
                }

                return n;
            })
            .AddActivityFunc("Nothing", _ => { }));

        var result = await app.RunAsync("Count", 0);

        result.ReadOutputAs<int>().ShouldBe(20);
        (await app.Client.GetOrchestrationHistoryAsync(result.InstanceId)).Count.ShouldBeLessThan(12);
    }

    [Fact]
    public async Task SuspendedInstance_ActsOnNothing_UntilItIsResumed()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc<object?, string>("Wait", async (context, _) => await context.WaitForExternalEvent<string>("go")));
        var id = await app.Client.ScheduleNewOrchestrationInstanceAsync("Wait");
        await app.Client.WaitForInstanceStartAsync(id);

        await app.Client.SuspendInstanceAsync(id, "why");
        await app.UntilAsync(id, m => m.RuntimeStatus == OrchestrationRuntimeStatus.Suspended);
        await app.Client.RaiseEventAsync(id, "go", "gone");
        await app.UntilAsync(id, _ => app.Client.GetOrchestrationHistoryAsync(id).Result.Any(e => e.EventType == EventType.EventRaised));
        (await app.Client.GetInstanceAsync(id))!.RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Suspended);
        await app.Client.ResumeInstanceAsync(id);

        (await app.CompleteAsync(id)).ReadOutputAs<string>().ShouldBe("gone");
    }

    [Theory]
    [InlineData(true, OrchestrationRuntimeStatus.Terminated)]
    [InlineData(false, OrchestrationRuntimeStatus.Running)]
    public async Task Terminate_EndsTheInstance_AndItsChildrenWhenRecursive(bool recursive, OrchestrationRuntimeStatus childStatus)
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc("Parent", context => context.CallSubOrchestratorAsync("Child", new SubOrchestrationOptions(instanceId: "child")))
            .AddOrchestratorFunc("Child", context => context.CallSubOrchestratorAsync("Grandchild", new SubOrchestrationOptions(instanceId: "grandchild")))
            .AddOrchestratorFunc("Grandchild", context => context.WaitForExternalEvent<string>("never")));
        var id = await app.Client.ScheduleNewOrchestrationInstanceAsync("Parent");
        await app.UntilAsync("grandchild", m => m.RuntimeStatus == OrchestrationRuntimeStatus.Running);

        await app.Client.TerminateInstanceAsync(id, new TerminateInstanceOptions("stopped", recursive));
        var result = await app.CompleteAsync(id);
        if (recursive)
        {
            await app.CompleteAsync("grandchild");
        }

        result.RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Terminated);
        result.ReadOutputAs<string>().ShouldBe("stopped");
        (await app.Client.GetInstanceAsync("child"))!.RuntimeStatus.ShouldBe(childStatus);
        (await app.Client.GetInstanceAsync("grandchild"))!.RuntimeStatus.ShouldBe(childStatus);
    }

    [Fact]
    public async Task SameInstanceId_IsRefusedWhileUnfinished_AndReplacedAfterwards()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc<string, string>("Wait", async (context, text) => text + await context.WaitForExternalEvent<string>("go")));
        var options = new StartOrchestrationOptions("the-one");
        await app.Client.ScheduleNewOrchestrationInstanceAsync("Wait", "first", options);

        await Should.ThrowAsync<OrchestrationAlreadyExistsException>(app.Client.ScheduleNewOrchestrationInstanceAsync("Wait", "second", options));
        await app.Client.RaiseEventAsync("the-one", "go", "!");
        await app.CompleteAsync("the-one");
        await Should.ThrowAsync<OrchestrationAlreadyExistsException>(app.Client.ScheduleNewOrchestrationInstanceAsync(
            "Wait", "third", options.WithDedupeStatuses(OrchestrationRuntimeStatus.Completed)));
        await app.Client.ScheduleNewOrchestrationInstanceAsync("Wait", "fourth", options);
        await app.Client.RaiseEventAsync("the-one", "go", "?");

        (await app.CompleteAsync("the-one")).ReadOutputAs<string>().ShouldBe("fourth?");
    }

    [Fact]
    public async Task StartAt_KeepsTheInstancePendingUntilThen()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc<object?, DateTime>("Now", (context, _) => Task.FromResult(context.CurrentUtcDateTime)));
        var at = DateTimeOffset.UtcNow.AddMilliseconds(400);
        var id = await app.Client.ScheduleNewOrchestrationInstanceAsync("Now", null, new StartOrchestrationOptions(StartAt: at));
        var later = await app.Client.ScheduleNewOrchestrationInstanceAsync("Now", null, new StartOrchestrationOptions(StartAt: at.AddHours(1)));

        (await app.CompleteAsync(id)).ReadOutputAs<DateTime>().ShouldBeGreaterThanOrEqualTo(at.UtcDateTime.AddMilliseconds(-1));
        (await app.Client.GetInstanceAsync(later))!.RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Pending);
        await app.Client.TerminateInstanceAsync(later);
        (await app.CompleteAsync(later)).RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Terminated);
    }

    [Fact]
    public async Task SendEvent_ReachesAnotherInstance()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc<object?, string>("Receiver", async (context, _) => await context.WaitForExternalEvent<string>("hello"))
            .AddOrchestratorFunc<string>("Sender", (context, to) => context.SendEvent(to!, "hello", "from " + context.InstanceId)));
        var receiver = await app.Client.ScheduleNewOrchestrationInstanceAsync("Receiver");

        await app.RunAsync("Sender", receiver, new StartOrchestrationOptions("sender"));

        (await app.CompleteAsync(receiver)).ReadOutputAs<string>().ShouldBe("from sender");
    }

    [Fact]
    public async Task TagsAndVersions_AreKept_AndDecideWhichCodeRuns()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc<object?, string>("Versioned", "1.0", async (context, _) =>
                $"one {context.Version} {await context.CallActivityAsync<string>("Which")}")
            .AddOrchestratorFunc<object?, string>("Versioned", "2.0", (context, _) => Task.FromResult($"two {context.CompareVersionTo("1.5")}"))
            .AddActivityFunc<string>("Which", context => $"activity {context.Version}"));
        var tags = new Dictionary<string, string> { ["team"] = "voids" };

        var one = await app.RunAsync("Versioned", null, new StartOrchestrationOptions { Version = "1.0", Tags = tags });
        var two = await app.RunAsync("Versioned", null, new StartOrchestrationOptions { Version = "2.0" });
        var three = await app.RunAsync("Versioned", null, new StartOrchestrationOptions { Version = "3.0" });

        one.ReadOutputAs<string>().ShouldBe("one 1.0 activity 1.0");
        one.Tags.ShouldBe(tags);
        two.ReadOutputAs<string>().ShouldBe("two 1");
        three.FailureDetails!.ErrorType.ShouldBe("OrchestratorTaskNotFound");
    }

    [Fact]
    public async Task QueryAndPurge_FollowFiltersAndPages()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc<int, int>("Done", (_, n) => Task.FromResult(n))
            .AddOrchestratorFunc("Parent", context => context.CallSubOrchestratorAsync("Done", 1, new SubOrchestrationOptions(instanceId: "sub")))
            .AddOrchestratorFunc("Waits", context => context.WaitForExternalEvent<string>("never")));
        for (var i = 0; i < 7; i++)
        {
            await app.RunAsync("Done", i, new StartOrchestrationOptions($"done-{i}"));
        }

        var waiting = await app.Client.ScheduleNewOrchestrationInstanceAsync("Waits", new StartOrchestrationOptions("waits"));
        await app.Client.WaitForInstanceStartAsync(waiting);
        await app.RunAsync("Parent", null, new StartOrchestrationOptions("parent"));

        var pages = new List<int>();
        var outputs = new List<int>();
        await foreach (var page in app.Client.GetAllInstancesAsync(
            new OrchestrationQuery(InstanceIdPrefix: "done-", PageSize: 3, FetchInputsAndOutputs: true)).AsPages())
        {
            pages.Add(page.Values.Count);
            outputs.AddRange(page.Values.Select(m => m.ReadOutputAs<int>()));
        }

        pages.ShouldBe([3, 3, 1]);
        outputs.ShouldBe([0, 1, 2, 3, 4, 5, 6]);
        var running = new List<string>();
        await foreach (var metadata in app.Client.GetAllInstancesAsync(new OrchestrationQuery(Statuses: [OrchestrationRuntimeStatus.Running])))
        {
            running.Add(metadata.InstanceId);
        }

        running.ShouldBe(["waits"]);
        (await app.Client.PurgeInstanceAsync("waits")).PurgedInstanceCount.ShouldBe(0);
        (await app.Client.PurgeInstanceAsync("parent", new PurgeInstanceOptions(Recursive: true))).PurgedInstanceCount.ShouldBe(2);
        (await app.Client.GetInstanceAsync("sub")).ShouldBeNull();
        var purged = await app.Client.PurgeAllInstancesAsync(new PurgeInstancesFilter(Statuses: [OrchestrationRuntimeStatus.Completed]));
        purged.PurgedInstanceCount.ShouldBe(7);
        purged.IsComplete.ShouldBe(true);
        (await app.Client.GetInstanceAsync("waits")).ShouldNotBeNull();
    }

    [Fact]
    public async Task Restart_RunsAgainWithTheSameInput()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc<int, int>("Same", (_, n) => Task.FromResult(n)));
        var first = await app.RunAsync("Same", 42);

        var again = await app.Client.RestartAsync(first.InstanceId, restartWithNewInstanceId: true);
        (await app.Client.RestartAsync(first.InstanceId)).ShouldBe(first.InstanceId);

        again.ShouldNotBe(first.InstanceId);
        (await app.CompleteAsync(again)).ReadOutputAs<int>().ShouldBe(42);
        (await app.CompleteAsync(first.InstanceId)).ReadOutputAs<int>().ShouldBe(42);
        await Should.ThrowAsync<ArgumentException>(app.Client.RestartAsync("unknown"));
    }

    [Fact]
    public async Task Hubs_DoNotSeeEachOther()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var one = await DurableApp.StartAsync(database, r => r.AddOrchestratorFunc<object?, string>("Who", (_, _) => Task.FromResult("one")), s => s.HubName = "HubOne");
        await using var two = await DurableApp.StartAsync(database, r => r.AddOrchestratorFunc<object?, string>("Who", (_, _) => Task.FromResult("two")), s => s.HubName = "HubTwo");
        var options = new StartOrchestrationOptions("same-id");

        (await one.RunAsync("Who", null, options)).ReadOutputAs<string>().ShouldBe("one");
        (await two.RunAsync("Who", null, options)).ReadOutputAs<string>().ShouldBe("two");
    }
}
