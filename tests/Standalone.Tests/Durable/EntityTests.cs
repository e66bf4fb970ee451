using Backup.Services.Testing;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Client;
using Microsoft.DurableTask.Client.Entities;
using Microsoft.DurableTask.Entities;
using Shouldly;

namespace Backup.Standalone.Tests.Durable;

public sealed class EntityTests(PostgresFixture postgres)
{
    private static readonly EntityInstanceId A = new("Counter", "a");
    private static readonly EntityInstanceId B = new("Counter", "b");

    [Fact]
    public async Task Signals_OfAClient_RunInOrder_AndKeepTheState()
    {
        await using var app = await StartAsync();

        foreach (var item in new[] { "one", "two", "three" })
        {
            await app.Client.Entities.SignalEntityAsync(new EntityInstanceId("log", "x"), "append", item);
        }

        var log = await UntilAsync<List<string>>(app, new EntityInstanceId("log", "x"), state => state.Count == 3);
        log.State.ShouldBe(["one", "two", "three"]);
        log.Id.ToString().ShouldBe("@log@x");
        log.LockedBy.ShouldBeNull();
    }

    [Fact]
    public async Task Call_FromAnOrchestration_ReturnsTheResult_AndFailuresKeepTheStateAsItWas()
    {
        await using var app = await StartAsync(r => r.AddOrchestratorFunc<object?, string>("Calls", async (context, _) =>
        {
            await context.Entities.CallEntityAsync(A, "Add", 5);
            var sum = await context.Entities.CallEntityAsync<int>(A, "add", 2);
            try
            {
                await context.Entities.CallEntityAsync(A, "AddAndFail", 100);
                return "no failure";
            }
            catch (EntityOperationFailedException failed)
            {
                return $"{sum}|{await context.Entities.CallEntityAsync<int>(A, "Get")}|{failed.EntityId}|{failed.OperationName}|"
                    + $"{failed.FailureDetails.ErrorType}|{failed.FailureDetails.ErrorMessage}";
            }
        }));

        (await app.RunAsync("Calls")).ReadOutputAs<string>().ShouldBe("7|7|@counter@a|AddAndFail|System.InvalidOperationException|no");
    }

    [Fact]
    public async Task UnknownEntityOrOperation_FailsTheCall()
    {
        await using var app = await StartAsync(r => r.AddOrchestratorFunc<object?, string>("Calls", async (context, _) =>
        {
            var errors = new List<string>();
            foreach (var (id, operation) in new[] { (new EntityInstanceId("nobody", "x"), "Get"), (A, "Fly") })
            {
                try
                {
                    await context.Entities.CallEntityAsync(id, operation);
                }
                catch (EntityOperationFailedException failed)
                {
                    errors.Add(failed.FailureDetails.ErrorType);
                }
            }

            return string.Join('|', errors);
        }));

        (await app.RunAsync("Calls")).ReadOutputAs<string>().ShouldBe("EntityTaskNotFound|System.NotSupportedException");
    }

    [Fact]
    public async Task CallsOfManyOrchestrations_RunOneAtATime()
    {
        await using var app = await StartAsync(r => r.AddOrchestratorFunc("Add", async context =>
        {
            for (var i = 0; i < 5; i++)
            {
                await context.Entities.CallEntityAsync(A, "SlowAdd", 1);
            }
        }));

        var ids = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => app.Client.ScheduleNewOrchestrationInstanceAsync("Add")));
        foreach (var id in ids)
        {
            (await app.CompleteAsync(id)).RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Completed);
        }

        (await app.Client.Entities.GetEntityAsync<int>(A))!.State.ShouldBe(100);
    }

    [Fact]
    public async Task CriticalSection_KeepsOthersOut_AndReleasesAtItsEnd()
    {
        await using var app = await StartAsync(r => r.AddOrchestratorFunc<int, bool>("Transfer", async (context, amount) =>
        {
            await using (await context.Entities.LockEntitiesAsync(B, A))
            {
                context.Entities.InCriticalSection(out var locked).ShouldBeTrue();
                locked.ShouldBe([A, B]);
                var from = await context.Entities.CallEntityAsync<int>(A, "Get");
                var to = await context.Entities.CallEntityAsync<int>(B, "Get");
                await context.Entities.CallEntityAsync(A, "Set", from - amount);
                await context.Entities.CallEntityAsync(B, "Set", to + amount);
            }

            return context.Entities.InCriticalSection();
        }));
        await app.Client.Entities.SignalEntityAsync(A, "Set", 1_000);

        var ids = await Task.WhenAll(Enumerable.Range(1, 10).Select(amount => app.Client.ScheduleNewOrchestrationInstanceAsync("Transfer", amount)));
        foreach (var id in ids)
        {
            (await app.CompleteAsync(id)).ReadOutputAs<bool>().ShouldBeFalse();
        }

        (await UntilAsync<int>(app, A, state => state == 945)).LockedBy.ShouldBeNull();
        (await app.Client.Entities.GetEntityAsync<int>(B))!.State.ShouldBe(55);
    }

    [Fact]
    public async Task CriticalSection_ForbidsWhatCouldDeadlock()
    {
        await using var app = await StartAsync(r => r.AddOrchestratorFunc<object?, string[]>("Rules", async (context, _) =>
        {
            var errors = new List<string>();
            await using var section = await context.Entities.LockEntitiesAsync(A);
            await TryAsync(() => context.Entities.CallEntityAsync(B, "Get"));
            await TryAsync(() => context.Entities.SignalEntityAsync(A, "Add", 1));
            await TryAsync(() => context.Entities.LockEntitiesAsync(B));
            await TryAsync(() => context.CallSubOrchestratorAsync("Rules"));
            await context.Entities.SignalEntityAsync(B, "Add", 1);
            return [.. errors];

            async Task TryAsync(Func<Task> call)
            {
                try
                {
                    await call();
                }
                catch (InvalidOperationException refused)
                {
                    errors.Add(refused.Message);
                }
            }
        }));

        (await app.RunAsync("Rules")).ReadOutputAs<string[]>().ShouldBe([
            "Must not call an entity from a critical section if it is not one of the locked entities.",
            "Must not signal a locked entity from a critical section.",
            "Must not enter another critical section from within a critical section.",
            "While holding locks, cannot call suborchestrators.",
        ]);
    }

    [Fact]
    public async Task FailedOrchestration_ReleasesItsLocks_AndCleaningReleasesThoseOfATerminatedOne()
    {
        await using var app = await StartAsync(r => r
            .AddOrchestratorFunc("LockAndFail", async context =>
            {
                await context.Entities.LockEntitiesAsync(A);
                throw new InvalidOperationException("after locking");
            })
            .AddOrchestratorFunc("LockAndWait", async context =>
            {
                await context.Entities.LockEntitiesAsync(A);
                context.SetCustomStatus("locked");
                await context.WaitForExternalEvent<object>("never");
            }));
        (await app.RunAsync("LockAndFail")).RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Failed);
        var holder = await app.Client.ScheduleNewOrchestrationInstanceAsync("LockAndWait");
        await app.UntilStatusAsync(holder, "locked");
        await app.Client.Entities.SignalEntityAsync(A, "Set", 3);
        await app.Client.TerminateInstanceAsync(holder);
        await app.CompleteAsync(holder);

        var cleaned = await app.Client.Entities.CleanEntityStorageAsync();

        cleaned.OrphanedLocksReleased.ShouldBe(1);
        (await UntilAsync<int>(app, A, state => state == 3)).LockedBy.ShouldBeNull();
    }

    [Fact]
    public async Task EntityOperations_SignalOthers_AndStartOrchestrations_OnlyWhenTheyEndWell()
    {
        await using var app = await StartAsync(r => r.AddOrchestratorFunc<int, int>("Started", (_, n) => n + 1));

        await app.Client.Entities.SignalEntityAsync(A, "StartAndFail", "never-started");
        await app.Client.Entities.SignalEntityAsync(A, "Start", "started-by-entity");

        (await app.CompleteAsync(await WhenExistsAsync(app, "started-by-entity"))).ReadOutputAs<int>().ShouldBe(42);
        (await UntilAsync<int>(app, B, state => state == 7)).State.ShouldBe(7);
        (await app.Client.GetInstanceAsync("never-started")).ShouldBeNull();
    }

    [Fact]
    public async Task ScheduledSignal_IsDeliveredNotBeforeItsTime()
    {
        await using var app = await StartAsync();
        var at = DateTimeOffset.UtcNow.AddSeconds(1);

        await app.Client.Entities.SignalEntityAsync(A, "Set", 2, new SignalEntityOptions { SignalTime = at });
        await app.Client.Entities.SignalEntityAsync(A, "Set", 1);

        (await UntilAsync<int>(app, A, state => state == 1)).LastModifiedTime.ShouldBeLessThan(at);
        (await UntilAsync<int>(app, A, state => state == 2)).LastModifiedTime.ShouldBeGreaterThanOrEqualTo(at.AddTicks(-10));
    }

    [Fact]
    public async Task Delete_RemovesTheState_AndCleaningTheEntity()
    {
        await using var app = await StartAsync();
        await app.Client.Entities.SignalEntityAsync(A, "Set", 2);
        await UntilAsync<int>(app, A, state => state == 2);
        await app.Client.Entities.SignalEntityAsync(new EntityInstanceId("log", "1"), "append", "x");
        await UntilAsync<List<string>>(app, new EntityInstanceId("log", "1"), _ => true);

        await app.Client.Entities.SignalEntityAsync(new EntityInstanceId("log", "1"), "DELETE");
        while (await app.Client.Entities.GetEntityAsync(new EntityInstanceId("log", "1"), TestContext.Current.CancellationToken) is not null)
        {
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }

        (await QueryAsync(app, new EntityQuery())).ShouldBe(["@counter@a"]);
        (await QueryAsync(app, new EntityQuery { IncludeTransient = true })).ShouldBe(["@counter@a", "@log@1"]);
        (await app.Client.Entities.CleanEntityStorageAsync()).EmptyEntitiesRemoved.ShouldBe(1);
        (await QueryAsync(app, new EntityQuery { IncludeTransient = true })).ShouldBe(["@counter@a"]);
    }

    [Fact]
    public async Task Query_FiltersPagesAndReadsStates_AndOrchestrationQueriesShowNoEntities()
    {
        await using var app = await StartAsync();
        for (var i = 0; i < 5; i++)
        {
            await app.Client.Entities.SignalEntityAsync(new EntityInstanceId("Counter", $"k{i}"), "Set", i);
            await UntilAsync<int>(app, new EntityInstanceId("Counter", $"k{i}"), state => state == i);
        }

        var pages = new List<int>();
        await foreach (var page in app.Client.Entities.GetAllEntitiesAsync<int>(new EntityQuery { InstanceIdStartsWith = "Counter", PageSize = 2 }).AsPages())
        {
            pages.Add(page.Values.Count);
            page.Values.ShouldAllBe(e => $"k{e.State}" == e.Id.Key);
        }

        pages.ShouldBe([2, 2, 1]);
        (await QueryAsync(app, new EntityQuery { InstanceIdStartsWith = "@COUNTER@k3" })).ShouldBe(["@counter@k3"]);
        var without = (await app.Client.Entities.GetEntityAsync(new EntityInstanceId("counter", "k1"), includeState: false))!;
        without.IncludesState.ShouldBeFalse();
        Should.Throw<InvalidOperationException>(() => without.State);
        await foreach (var instance in app.Client.GetAllInstancesAsync())
        {
            Assert.Fail($"{instance.InstanceId} is no orchestration.");
        }
    }

    [Fact]
    public async Task StateDispatch_GoesToMethodsOfTheState()
    {
        await using var app = await StartAsync(r => r.AddOrchestratorFunc<object?, int>("Calls", async (context, _) =>
        {
            var id = new EntityInstanceId("stateful", "x");
            await context.Entities.CallEntityAsync(id, "Grow", 3);
            return await context.Entities.CallEntityAsync<int>(id, "Grow", 4);
        }));

        (await app.RunAsync("Calls")).ReadOutputAs<int>().ShouldBe(7);
    }

    [Fact]
    public async Task EntityIds_AreRefusedWhereAnOrchestrationIsMeant()
    {
        await using var app = await StartAsync();

        await Should.ThrowAsync<ArgumentException>(() => app.Client.RaiseEventAsync("@counter@a", "event"));
        await Should.ThrowAsync<ArgumentException>(() =>
            app.Client.ScheduleNewOrchestrationInstanceAsync("x", new StartOrchestrationOptions { InstanceId = "@counter@a" }));
        Should.Throw<ArgumentException>(() => new EntityInstanceId("a@b", "k"));
        Should.Throw<ArgumentException>(() => new EntityInstanceId("a", new string('k', 100)));
        EntityInstanceId.FromString("@Counter@a@b").ShouldBe(new EntityInstanceId("counter", "a@b"));
    }

    [Fact]
    public async Task Disabled_Throws()
    {
        await using var app = await DurableApp.StartAsync(
            await postgres.CreateDatabaseAsync(),
            r => r.AddOrchestratorFunc("Uses", context => context.Entities.CallEntityAsync(A, "Get")),
            options: o => o.EnableEntitySupport = false);

        (await app.RunAsync("Uses")).FailureDetails!.ErrorType.ShouldBe("System.NotSupportedException");
    }

    private static async Task<List<string>> QueryAsync(DurableApp app, EntityQuery query)
    {
        var ids = new List<string>();
        await foreach (var entity in app.Client.Entities.GetAllEntitiesAsync(query))
        {
            ids.Add(entity.Id.ToString());
        }

        return ids;
    }

    private static async Task<EntityMetadata<T>> UntilAsync<T>(DurableApp app, EntityInstanceId id, Func<T, bool> reached)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (true)
        {
            if (await app.Client.Entities.GetEntityAsync<T>(id, limit.Token) is { LockedBy: null } entity && reached(entity.State))
            {
                return entity;
            }

            await Task.Delay(10, limit.Token);
        }
    }

    private static async Task<string> WhenExistsAsync(DurableApp app, string instanceId)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (await app.Client.GetInstanceAsync(instanceId, limit.Token) is null)
        {
            await Task.Delay(10, limit.Token);
        }

        return instanceId;
    }

    private async Task<DurableApp> StartAsync(Action<DurableTaskRegistry>? more = null) =>
        await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), registry =>
        {
            registry.AddEntity<Counter>().AddEntity<Stateful>().AddEntity<Log>("Log");
            more?.Invoke(registry);
        });

    public sealed class Counter : TaskEntity<int>
    {
        public int Add(int amount) => State += amount;

        public async Task<int> SlowAdd(int amount)
        {
            var before = State;
            await Task.Yield();
            State = before + amount;
            return State;
        }

        public int Get() => State;

        public void Set(int value) => State = value;

        public void AddAndFail(int amount)
        {
            State += amount;
            throw new InvalidOperationException("no");
        }

        public void Start(string instanceId)
        {
            Context.SignalEntity(B, "Set", 7);
            Context.ScheduleNewOrchestration("Started", 41, new StartOrchestrationOptions(instanceId));
        }

        public void StartAndFail(string instanceId, TaskEntityContext context)
        {
            State = 8;
            context.SignalEntity(B, "Set", 8);
            context.ScheduleNewOrchestration("Started", 41, new StartOrchestrationOptions(instanceId));
            throw new InvalidOperationException("no");
        }
    }

    public sealed class Log : TaskEntity<List<string>>
    {
        public void Append(string item) => State.Add(item);
    }

    public sealed class Size
    {
        public int Value { get; set; }

        public int Grow(int by) => Value += by;
    }

    public sealed class Stateful : TaskEntity<Size>
    {
        protected override bool AllowStateDispatch => true;
    }
}
