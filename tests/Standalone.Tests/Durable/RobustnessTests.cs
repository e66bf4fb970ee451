using Backup.Services.Testing;
using Backup.Standalone.Durable.Schema;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Client;
using Npgsql;
using Shouldly;

namespace Backup.Standalone.Tests.Durable;

public sealed class RobustnessTests(PostgresFixture postgres)
{
    public static TheoryData<string, string> Changes => new()
    {
        { "renamed", "holds TaskScheduled (activity 'A', sequence 0), but the present code made another call at that place: TaskScheduled (activity 'B'" },
        { "removed", "holds TaskScheduled (activity 'A', sequence 0), but the present code has not made that call" },
        { "added", "made a call that its history does not hold: TaskScheduled (activity 'B', sequence 1)" },
        { "ended", "ended where, by its history, it was still waiting" },
    };

    [Theory]
    [MemberData(nameof(Changes))]
    public async Task ChangedCode_OnARunningInstance_IsDetectedAndExplained(string change, string explanation)
    {
        var database = await postgres.CreateDatabaseAsync();
        string id;
        await using (var before = await DurableApp.StartAsync(database, r => r
            .AddOrchestratorFunc("Changing", async context =>
            {
                await context.CallActivityAsync("A");
                context.SetCustomStatus("waiting");
                await context.WaitForExternalEvent<string>("go");
            })
            .AddActivityFunc("A", _ => { })))
        {
            id = await before.Client.ScheduleNewOrchestrationInstanceAsync("Changing");
            await before.UntilStatusAsync(id, "waiting");
        }

        await using var after = await DurableApp.StartAsync(database, r => r
            .AddOrchestratorFunc("Changing", async context =>
            {
                if (change != "removed")
                {
                    await context.CallActivityAsync(change == "renamed" ? "B" : "A");
                }

                if (change == "added")
                {
                    _ = context.CallActivityAsync("B");
                }

                if (change != "ended")
                {
                    await context.WaitForExternalEvent<string>("go");
                }
            })
            .AddActivityFunc("A", _ => { }).AddActivityFunc("B", _ => { }));
        await after.Client.RaiseEventAsync(id, "go");

        var result = await after.CompleteAsync(id);
        result.RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Failed);
        result.FailureDetails!.ErrorType.ShouldBe("DurableTask.Core.Exceptions.NonDeterministicOrchestrationException");
        result.FailureDetails.ErrorMessage.ShouldContain(explanation);
    }

    [Fact]
    public async Task RestartedHost_ReplaysAndGoesOn()
    {
        var database = await postgres.CreateDatabaseAsync();
        void Tasks(DurableTaskRegistry registry) => registry
            .AddOrchestratorFunc<object?, string>("Long", async (context, _) =>
            {
                var first = await context.CallActivityAsync<string>("Echo", "a");
                context.SetCustomStatus("half");
                var second = await context.WaitForExternalEvent<string>("go");
                return first + second + await context.CallActivityAsync<string>("Echo", "c");
            })
            .AddActivityFunc<string, string>("Echo", (_, text) => text);
        string id;
        await using (var app = await DurableApp.StartAsync(database, Tasks))
        {
            id = await app.Client.ScheduleNewOrchestrationInstanceAsync("Long");
            await app.UntilStatusAsync(id, "half");
        }

        await using var again = await DurableApp.StartAsync(database, Tasks);
        await again.Client.RaiseEventAsync(id, "go", "b");

        (await again.CompleteAsync(id)).ReadOutputAs<string>().ShouldBe("abc");
    }

    [Fact]
    public async Task HistoryBeyondTheLimit_FailsClearly()
    {
        await using var app = await DurableApp.StartAsync(
            await postgres.CreateDatabaseAsync(),
            r => r
                .AddOrchestratorFunc("Endless", async context =>
                {
                    while (true)
                    {
                        await context.CallActivityAsync("Nothing");
                    }
                })
                .AddActivityFunc("Nothing", _ => { }),
            storage => storage.HistoryEventsMax = 60);

        (await app.RunAsync("Endless")).FailureDetails!.ErrorMessage.ShouldContain("larger than the limits of 60 events");
    }

    [Fact]
    public async Task ValuesPostgresCannotStore_FailTheirInstanceOnly()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc<object?, string>("Calls", async (context, _) =>
            {
                try
                {
                    await context.CallActivityAsync("Null character in the failure");
                    return "none";
                }
                catch (TaskFailedException failed)
                {
                    return failed.FailureDetails.ErrorMessage;
                }
            })
            .AddOrchestratorFunc<object?, string>("Status", (context, _) =>
            {
                context.SendEvent("nobody", "zero\0name", "x");
                context.CallActivityAsync("zero\0name");
                return Task.FromResult("stored");
            })
            .AddActivityFunc("Null character in the failure", _ => throw new InvalidOperationException("zero\0message")));

        (await app.RunAsync("Status")).RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Failed);
        (await app.RunAsync("Calls")).RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Completed);
    }

    [Fact]
    public async Task UnreadableHistory_EndsInAFailedInstance_NotInALoop()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var app = await DurableApp.StartAsync(database, r => r
            .AddOrchestratorFunc("Waits", context => context.WaitForExternalEvent<string>("go")));
        var id = await app.Client.ScheduleNewOrchestrationInstanceAsync("Waits");
        await app.Client.WaitForInstanceStartAsync(id);
        await using (var source = NpgsqlDataSource.Create(database))
        {
            await using var command = source.CreateCommand("""
                WITH message AS (
                    INSERT INTO hub_durablehub.inbox (instance_id, kind, task_id, visible_at, failure) VALUES ($1, 6, 0, now(), '{not json')
                    RETURNING instance_id)
                UPDATE hub_durablehub.dispatch d SET ready_at = now() FROM message WHERE d.instance_id = message.instance_id
                """);
            command.Parameters.AddWithValue(id);
            await command.ExecuteNonQueryAsync();
        }

        await app.Client.RaiseEventAsync(id, "go");

        var result = await app.CompleteAsync(id);
        result.RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Failed);
        result.FailureDetails!.ErrorMessage.ShouldContain("cannot be read");
    }

    [Fact]
    public async Task Migrations_OfProcessesThatStartTogether_TakeTurns()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var source = NpgsqlDataSource.Create(database);

        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => SchemaMigrator.MigrateAsync(source, "hub_race", CancellationToken.None)));

        await using var command = source.CreateCommand("SELECT count(*) FROM hub_race.schema_versions");
        (await command.ExecuteScalarAsync()).ShouldBe((long)SchemaMigrator.NewestVersion);
    }

    [Fact]
    public async Task NewerSchema_IsRefused()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var source = NpgsqlDataSource.Create(database);
        await SchemaMigrator.MigrateAsync(source, "hub_newer", CancellationToken.None);
        await using (var command = source.CreateCommand("INSERT INTO hub_newer.schema_versions (version) VALUES (9999)"))
        {
            await command.ExecuteNonQueryAsync();
        }

        var refused = await Should.ThrowAsync<StandaloneException>(SchemaMigrator.MigrateAsync(source, "hub_newer", CancellationToken.None));
        refused.Fault.ShouldBe(StandaloneFault.SchemaTooNew);
        refused.Message.ShouldContain("9999");
    }
}
