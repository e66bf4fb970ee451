using System.Globalization;
using Backup.Services.Testing;
using Backup.Standalone.Durable;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;
using Shouldly;

namespace Backup.Standalone.Tests.Durable;

/// <summary>
/// Random orchestrations on a host whose database calls fail at random, before and after they take effect, compared with a
/// simulator that knows nothing of either. <c>BACKUP_MODEL_SEED</c> and <c>BACKUP_MODEL_PROGRAMS</c> choose others.
/// </summary>
public sealed class ModelTests(PostgresFixture postgres, ITestOutputHelper output)
{
    private const double FaultShare = 0.04;
    private static readonly TaskOptions TwoTries = TaskOptions.FromRetryPolicy(new RetryPolicy(2, TimeSpan.FromMilliseconds(1)));

    [Fact]
    public async Task RandomOrchestrations_UnderFaults_DoWhatTheModelDoes()
    {
        var seed = Number("BACKUP_MODEL_SEED", Environment.TickCount & 0xFFFFFF);
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var programs = Enumerable.Range(0, Number("BACKUP_MODEL_PROGRAMS", 40)).Select(_ => new State(Program.Random(random, 2), string.Empty)).ToList();
        var database = await postgres.CreateDatabaseAsync();
        await using var app = await DurableApp.StartAsync(database, AddTasks, storage =>
        {
            storage.Lease = TimeSpan.FromSeconds(4);
            storage.AttemptsMax = 1_000;
        });
        var faults = new Random(seed + 1);
        var calls = new Dictionary<string, int>();
        var injected = new HashSet<string>();
        app.Hub.Database.FaultPoint = call =>
        {
            lock (faults)
            {
                // The second call of each kind always fails, so that every kind is met whatever the dice say.
                calls[call] = calls.GetValueOrDefault(call) + 1;
                if (calls[call] != 2 && faults.NextDouble() >= FaultShare)
                {
                    return Task.CompletedTask;
                }

                injected.Add(call);
                throw new NpgsqlException($"injected {call}", new IOException());
            }
        };

        // Scheduling is repeatable and goes through the faults; events are not, and come from the side.
        using var side = ClientOf(database);
        var calm = side.Services.GetRequiredService<DurableTaskClient>();
        var ids = await Task.WhenAll(programs.Select(p => app.Client.ScheduleNewOrchestrationInstanceAsync("Run", p)));
        for (var i = 0; i < ids.Length; i++)
        {
            for (var n = 0; n < programs[i].Program.CountEvents(); n++)
            {
                await calm.RaiseEventAsync(ids[i], n % 2 == 0 ? "Number" : "NUMBER", n);
            }
        }

        for (var i = 0; i < ids.Length; i++)
        {
            var result = await app.CompleteAsync(ids[i]);
            result.RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Completed, $"seed {seed}, program {i}: {result.FailureDetails}");
            result.ReadOutputAs<string>().ShouldBe(programs[i].Program.Simulate(), $"seed {seed}, program {i}: {programs[i].Program}");
        }

        new[] { "before commit", "after commit", "before claim of turns", "after claim of turns", "before load" }.ShouldBeSubsetOf(injected);
        output.WriteLine($"faults: {string.Join(", ", injected.Order())}");
    }

    private static IHost ClientOf(string database)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddDurableTaskClient(client => client.UsePostgres(database));
        return builder.Build();
    }

    private static int Number(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : otherwise;

    private static void AddTasks(DurableTaskRegistry registry) => registry
        .AddOrchestratorFunc<State, string>("Run", RunAsync)
        .AddActivityFunc<int, int>("Square", (_, n) => n * n)
        .AddActivityFunc<Guid, Guid>("Echo", (_, id) => id)
        .AddActivityFunc<int>("Fail", (_, n) => throw new InvalidOperationException($"failure {n}"));

    private static async Task<string> RunAsync(TaskOrchestrationContext context, State state)
    {
        var log = state.Log;
        for (var i = 0; i < state.Program.Steps.Count; i++)
        {
            var step = state.Program.Steps[i];
            switch (step.Kind)
            {
                case "call":
                    log += $"c{await context.CallActivityAsync<int>("Square", step.Number)};";
                    break;
                case "fan":
                    var squares = await Task.WhenAll(Enumerable.Range(0, step.Number).Select(n => context.CallActivityAsync<int>("Square", n)));
                    log += $"f{squares.Sum()};";
                    break;
                case "timer":
                    var until = context.CurrentUtcDateTime.AddMilliseconds(step.Number);
                    await context.CreateTimer(until, CancellationToken.None);
                    log += context.CurrentUtcDateTime >= until ? "t;" : "early;";
                    break;
                case "event":
                    log += $"e{await context.WaitForExternalEvent<int>("number")};";
                    break;
                case "sub":
                    log += $"s[{await context.CallSubOrchestratorAsync<string>("Run", new State(step.Program!, string.Empty))}];";
                    break;
                case "fail":
                    try
                    {
                        await context.CallActivityAsync("Fail", step.Number, TwoTries);
                    }
                    catch (TaskFailedException failed)
                    {
                        log += $"x{failed.FailureDetails.ErrorMessage};";
                    }

                    break;
                case "guid":
                    var id = context.NewGuid();
                    log += $"g{await context.CallActivityAsync<Guid>("Echo", id) == id};";
                    break;
                case "again":
                    context.ContinueAsNew(new State(new Program([.. state.Program.Steps.Skip(i + 1)]), log));
                    return "ignored";
            }
        }

        return log;
    }

    internal sealed record State(Program Program, string Log);

    internal sealed record Step(string Kind, int Number, Program? Program);

    /// <summary>What an orchestration does, step by step.</summary>
    internal sealed record Program(List<Step> Steps)
    {
        private static readonly string[] Kinds = ["call", "call", "fan", "timer", "event", "sub", "fail", "guid", "again"];

        public static Program Random(Random random, int depth) => new([.. Enumerable.Range(0, random.Next(1, 7)).Select(_ =>
        {
            var kind = Kinds[random.Next(Kinds.Length)];

            // Only the outermost program gets events, for only its id is known to who raises them.
            kind = (depth == 0 && kind == "sub") || (depth < 2 && kind == "event") ? "call" : kind;
            return new Step(kind, random.Next(1, 8), kind == "sub" ? Random(random, depth - 1) : null);
        })]);

        public int CountEvents() => Steps.Count(s => s.Kind == "event");

        public string Simulate()
        {
            var events = 0;
            return string.Concat(Steps.Select(step => step.Kind switch
            {
                "call" => $"c{step.Number * step.Number};",
                "fan" => $"f{Enumerable.Range(0, step.Number).Sum(n => n * n)};",
                "timer" => "t;",
                "event" => $"e{events++};",
                "sub" => $"s[{step.Program!.Simulate()}];",
                "fail" => $"xfailure {step.Number};",
                "guid" => "gTrue;",
                _ => string.Empty,
            }));
        }

        public override string ToString() => string.Join(' ', Steps.Select(s => s.Program is null ? $"{s.Kind} {s.Number}" : $"sub ({s.Program})"));
    }
}
