using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Backup.Services.Testing;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Client;
using Npgsql;
using Shouldly;

namespace Backup.Standalone.Tests.Durable;

public sealed class OperationsTests(PostgresFixture postgres)
{
    [Fact]
    public async Task Stop_WaitsForRunningActivities_AndGivesItsLeaseUp()
    {
        var database = await postgres.CreateDatabaseAsync();
        var began = new TaskCompletionSource();
        var finish = new TaskCompletionSource();
        await using var app = await DurableApp.StartAsync(database, r => r
            .AddOrchestratorFunc("Calls", context => context.CallActivityAsync("Gated"))
            .AddActivityFunc("Gated", async _ =>
            {
                began.SetResult();
                await finish.Task;
            }));
        await app.Client.ScheduleNewOrchestrationInstanceAsync("Calls");
        await began.Task;

        var stopping = app.StopAsync();
        stopping.IsCompleted.ShouldBeFalse();
        finish.SetResult();
        await stopping;

        await using var source = NpgsqlDataSource.Create(database);
        (await CountAsync(source, "workers")).ShouldBe(0);
        (await CountAsync(source, "activities")).ShouldBe(0, "the result of the running activity was not stored");
        (await CountAsync(source, "dispatch WHERE owner IS NOT NULL")).ShouldBe(0);
    }

    [Fact]
    public async Task WorkTakenUpTooOften_CountsAsPoison_AndFailsItsInstance()
    {
        await using var app = await DurableApp.StartAsync(
            await postgres.CreateDatabaseAsync(),
            r => r.AddOrchestratorFunc("Never", (Action<TaskOrchestrationContext>)(_ => { })),
            storage => storage.AttemptsMax = 0);

        var result = await app.RunAsync("Never");

        result.RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Failed);
        result.FailureDetails!.ErrorType.ShouldBe("PoisonMessage");
    }

    [Fact]
    public async Task Metrics_CountTurnsAndActivities()
    {
        var measured = new ConcurrentDictionary<string, double>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Meter.Name == "Backup.Standalone.Durable")
                {
                    self.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => measured.AddOrUpdate(instrument.Name, value, (_, sum) => sum + value));
        listener.SetMeasurementEventCallback<double>((instrument, value, _, _) => measured.AddOrUpdate(instrument.Name, value, (_, sum) => sum + value));
        listener.Start();
        await using (var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc("Calls", context => context.CallActivityAsync("Nothing"))
            .AddActivityFunc("Nothing", _ => { })))
        {
            await app.RunAsync("Calls");
            listener.RecordObservableInstruments();
        }

        measured["durable.turns"].ShouldBeGreaterThanOrEqualTo(2);
        measured["durable.replay.events"].ShouldBeGreaterThanOrEqualTo(3);
        measured["durable.turn.duration"].ShouldBeGreaterThan(0);
        measured["durable.activity.duration"].ShouldBeGreaterThan(0);
        measured.Keys.ShouldContain("durable.queue.orchestrations");
        measured.Keys.ShouldContain("durable.queue.oldest_age");
    }

    private static async Task<long> CountAsync(NpgsqlDataSource source, string table)
    {
#pragma warning disable CA2100 // The tables are named above.
        await using var command = source.CreateCommand($"SELECT count(*) FROM hub_durablehub.{table}");
#pragma warning restore CA2100
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
