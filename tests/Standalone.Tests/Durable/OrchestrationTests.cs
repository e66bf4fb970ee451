using System.Collections.Concurrent;
using Backup.Services.Testing;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Client;
using Shouldly;

namespace Backup.Standalone.Tests.Durable;

public sealed class OrchestrationTests(PostgresFixture postgres)
{
    [Fact]
    public async Task CallActivity_WithInput_ReturnsItsResult()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc<int, int>("Sum", async (context, count) =>
            {
                var sum = 0;
                for (var i = 1; i <= count; i++)
                {
                    sum += await context.CallActivityAsync<int>("Square", i);
                }

                return sum;
            })
            .AddActivityFunc<int, int>("square", (_, n) => n * n));

        var result = await app.RunAsync("sum", 5);

        result.RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Completed);
        result.ReadOutputAs<int>().ShouldBe(55);
        result.ReadInputAs<int>().ShouldBe(5);
        result.Name.ShouldBe("sum");
    }

    [Fact]
    public async Task FanOut_ManyActivities_JoinsAllResults()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc<int, int[]>("Fan", (context, count) =>
                Task.WhenAll(Enumerable.Range(0, count).Select(i => context.CallActivityAsync<int>("Double", i))))
            .AddActivityFunc<int, int>("Double", (_, n) => 2 * n));

        var result = await app.RunAsync("Fan", 300);

        result.ReadOutputAs<int[]>().ShouldBe(Enumerable.Range(0, 300).Select(i => 2 * i));
    }

    [Fact]
    public async Task FailingActivity_SurfacesAsTaskFailedException_WithInnerChain()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc<object?, string>("Catch", async (context, _) =>
            {
                try
                {
                    await context.CallActivityAsync("Fail");
                    return "no failure";
                }
                catch (TaskFailedException failed)
                {
                    return string.Join('|', failed.TaskName, failed.TaskId, failed.FailureDetails.IsCausedBy<InvalidOperationException>(),
                        failed.FailureDetails.IsCausedBy<FormatException>(), failed.FailureDetails.ErrorMessage,
                        failed.FailureDetails.InnerFailure!.ErrorType, failed.FailureDetails.StackTrace is not null);
                }
            })
            .AddActivityFunc("Fail", _ => throw new InvalidOperationException("outer", new FormatException("inner"))));

        (await app.RunAsync("Catch")).ReadOutputAs<string>().ShouldBe("Fail|0|True|False|outer|System.FormatException|True");
    }

    [Fact]
    public async Task UnhandledFailure_FailsTheInstance_AndIsShownOnlyWithOutputs()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc("Fails", context => context.CallActivityAsync("Fail"))
            .AddActivityFunc("Fail", _ => throw new InvalidOperationException("why")));

        var result = await app.RunAsync("Fails");
        var brief = await app.Client.GetInstanceAsync(result.InstanceId);

        result.RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Failed);
        result.FailureDetails!.ErrorType.ShouldBe(typeof(TaskFailedException).FullName);
        result.FailureDetails.ErrorMessage.ShouldBe("Task 'Fail' (#0) failed with an unhandled exception: why");
        result.FailureDetails.InnerFailure!.IsCausedBy<InvalidOperationException>().ShouldBeTrue();
        brief!.FailureDetails.ShouldBeNull();
        Should.Throw<InvalidOperationException>(() => brief.ReadOutputAs<string>());
    }

    [Fact]
    public async Task UnknownNames_FailWithoutRetries()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc("CallsUnknown", context =>
                context.CallActivityAsync("Nowhere", TaskOptions.FromRetryPolicy(new RetryPolicy(5, TimeSpan.FromHours(1))))));

        (await app.RunAsync("Nobody")).FailureDetails!.ErrorType.ShouldBe("OrchestratorTaskNotFound");
        (await app.RunAsync("CallsUnknown")).FailureDetails!.InnerFailure!.ErrorType.ShouldBe("ActivityTaskNotFound");
    }

    [Fact]
    public async Task RetryPolicy_TriesAgain_UntilAttemptsAreUsedUp()
    {
        var attempts = new ConcurrentDictionary<string, int>();
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc<int, string>("Retry", async (context, goodAttempt) =>
            {
                var policy = new RetryPolicy(3, TimeSpan.FromMilliseconds(1), backoffCoefficient: 2);
                return await context.CallActivityAsync<string>("Flaky", goodAttempt, TaskOptions.FromRetryPolicy(policy));
            })
            .AddActivityFunc<int, string>("Flaky", (context, goodAttempt) =>
            {
                var attempt = attempts.AddOrUpdate(context.InstanceId, 1, (_, n) => n + 1);
                return attempt >= goodAttempt ? $"attempt {attempt}" : throw new TimeoutException("not yet");
            }));

        (await app.RunAsync("Retry", 3)).ReadOutputAs<string>().ShouldBe("attempt 3");
        var failed = await app.RunAsync("Retry", 4);
        failed.RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Failed);
        attempts[failed.InstanceId].ShouldBe(3);
    }

    [Fact]
    public async Task RetryHandler_SeesAttemptsAndDecides()
    {
        var seen = new ConcurrentQueue<int>();
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc("Retry", context => context.CallActivityAsync("Fail", TaskOptions.FromRetryHandler((RetryContext retry) =>
            {
                if (!retry.OrchestrationContext.IsReplaying)
                {
                    seen.Enqueue(retry.LastAttemptNumber);
                }

                return retry.LastFailure.IsCausedBy<TimeoutException>() && retry.LastAttemptNumber < 3;
            })))
            .AddActivityFunc("Fail", _ => throw new TimeoutException()));

        (await app.RunAsync("Retry")).RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Failed);
        seen.ShouldBe([1, 2, 3]);
    }

    [Fact]
    public async Task SubOrchestration_ReturnsItsResult_AndKnowsItsParent()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc<string, string>("Parent", async (context, text) =>
                await context.CallSubOrchestratorAsync<string>("Child", text, new SubOrchestrationOptions(instanceId: "the-child")))
            .AddOrchestratorFunc<string, string>("Child", (context, text) =>
                Task.FromResult($"{text} {context.Parent!.Name} {context.Parent.InstanceId} {context.InstanceId}")));

        var result = await app.RunAsync("Parent", "hi", new StartOrchestrationOptions("the-parent"));

        result.ReadOutputAs<string>().ShouldBe("hi Parent the-parent the-child");
        (await app.Client.GetInstanceAsync("the-child"))!.RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Completed);
    }

    [Fact]
    public async Task FailingSubOrchestration_SurfacesAsTaskFailedException()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc<object?, string>("Parent", async (context, _) =>
            {
                try
                {
                    await context.CallSubOrchestratorAsync("Child");
                    return "no failure";
                }
                catch (TaskFailedException failed)
                {
                    return $"{failed.TaskName} {failed.FailureDetails.ErrorMessage}";
                }
            })
            .AddOrchestratorFunc("Child", (Action<TaskOrchestrationContext>)(_ => throw new InvalidOperationException("broken"))));

        (await app.RunAsync("Parent")).ReadOutputAs<string>().ShouldBe("Child broken");
    }

    [Fact]
    public async Task NewGuidAndClock_AreTheSameInEveryReplay()
    {
        var seen = new ConcurrentQueue<(Guid First, DateTime Time, Guid Second)>();
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc("Ids", async context =>
            {
                var first = context.NewGuid();
                var time = context.CurrentUtcDateTime;
                var second = context.NewGuid();
                seen.Enqueue((first, time, second));
                await context.CallActivityAsync("Nothing");
                await context.CallActivityAsync("Nothing");
            })
            .AddActivityFunc("Nothing", _ => { }));

        await app.RunAsync("Ids");

        seen.Count.ShouldBe(3);
        seen.Distinct().Count().ShouldBe(1);
        seen.First().First.ShouldNotBe(seen.First().Second);
        seen.First().Time.Kind.ShouldBe(DateTimeKind.Utc);
        seen.First().First.ToString()[14].ShouldBe('5');
    }

    [Fact]
    public async Task IsReplaying_IsFalseOnlyForWhatIsNew()
    {
        var seen = new ConcurrentQueue<string>();
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc("Replay", async context =>
            {
                seen.Enqueue($"start {context.IsReplaying}");
                await context.CallActivityAsync("Nothing");
                seen.Enqueue($"end {context.IsReplaying}");
            })
            .AddActivityFunc("Nothing", _ => { }));

        await app.RunAsync("Replay");

        seen.ShouldBe(["start False", "start True", "end False"]);
    }

    [Fact]
    public async Task AwaitingAnythingElse_IsRefusedWithTheKnownMessage()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc("Illegal", async context =>
            {
                await Task.Delay(20);
                await context.CallActivityAsync("Nothing");
            })
            .AddOrchestratorFunc("IllegalLater", async context =>
            {
                var waiting = context.WaitForExternalEvent<string>("never");
                await Task.Run(() => Thread.SpinWait(1_000_000));
                await waiting;
            })
            .AddActivityFunc("Nothing", _ => { }));

        foreach (var name in new[] { "Illegal", "IllegalLater" })
        {
            var result = await app.RunAsync(name);
            result.RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Failed);
            result.FailureDetails!.ErrorMessage.ShouldStartWith("An invalid asynchronous invocation was detected.");
            result.FailureDetails.IsCausedBy<InvalidOperationException>().ShouldBeTrue();
        }
    }

    [Fact]
    public async Task CustomStatus_IsStoredAtTheEndOfTheTurn()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc("Status", async context =>
            {
                context.SetCustomStatus("waiting");
                await context.WaitForExternalEvent<string>("go");
                context.SetCustomStatus("gone");
            }));

        var id = await app.Client.ScheduleNewOrchestrationInstanceAsync("Status");
        await app.UntilStatusAsync(id, "waiting");
        await app.Client.RaiseEventAsync(id, "go");

        (await app.CompleteAsync(id)).ReadCustomStatusAs<string>().ShouldBe("gone");
    }

    [Fact]
    public async Task ClassBasedTasks_AreMadeByDependencyInjection()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestrator<Greeter>().AddActivity<Greeting>());

        (await app.RunAsync(nameof(Greeter), "Ada")).ReadOutputAs<string>().ShouldBe("Hello, Ada!");
    }

    private sealed class Greeter : TaskOrchestrator<string, string>
    {
        public override async Task<string> RunAsync(TaskOrchestrationContext context, string input) =>
            await context.CallActivityAsync<string>("Greet", input);
    }

    [DurableTask("Greet")]
    private sealed class Greeting : TaskActivity<string, string>
    {
        public override Task<string> RunAsync(TaskActivityContext context, string input) => Task.FromResult($"Hello, {input}!");
    }
}
