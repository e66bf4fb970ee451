using System.Security.Cryptography;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Entities;

namespace Backup.Standalone.TestHost;

/// <summary>Orchestrations of every shape, each with a result that only a correct run gives.</summary>
public static class Shapes
{
    /// <summary>The shapes by name.</summary>
    public static readonly string[] Names = ["Fan", "Sequence", "Subs", "Timers", "Events", "Retries", "Again", "Entities"];

    private static readonly TaskOptions ManyTries = TaskOptions.FromRetryPolicy(new RetryPolicy(100, TimeSpan.FromMilliseconds(1)));

    /// <summary>What a shape started with a seed must return.</summary>
    public static long Expected(string shape, int seed) => shape switch
    {
        "Fan" => Enumerable.Range(0, 10).Sum(i => Mix(seed + i)),
        "Sequence" => Enumerable.Range(0, 5).Aggregate((long)seed, (sum, _) => Mix(sum)),
        "Subs" => Enumerable.Range(0, 3).Sum(i => Expected("Sequence", seed + i)),
        "Timers" => Mix(seed) + 3,
        "Events" => Enumerable.Range(0, 4).Aggregate((long)seed, (sum, i) => Mix(sum + i)),
        "Retries" => Mix(seed) * 2,
        "Again" => Enumerable.Range(0, 4).Aggregate((long)seed, (sum, _) => Mix(sum)),
        "Entities" => Mix((3L * seed) + 3 + 1),
        _ => throw new ArgumentOutOfRangeException(nameof(shape), shape, null),
    };

    /// <summary>Adds the shapes and their activities.</summary>
    public static void Add(DurableTaskRegistry registry) => registry
        .AddOrchestratorFunc<int, long>("Fan", async (context, seed) =>
            (await Task.WhenAll(Enumerable.Range(0, 10).Select(i => context.CallActivityAsync<long>("Mix", (long)seed + i)))).Sum())
        .AddOrchestratorFunc<int, long>("Sequence", async (context, seed) =>
        {
            var sum = (long)seed;
            for (var i = 0; i < 5; i++)
            {
                sum = await context.CallActivityAsync<long>("Mix", sum);
            }

            return sum;
        })
        .AddOrchestratorFunc<int, long>("Subs", async (context, seed) =>
            (await Task.WhenAll(Enumerable.Range(0, 3).Select(i => context.CallSubOrchestratorAsync<long>("Sequence", seed + i)))).Sum())
        .AddOrchestratorFunc<int, long>("Timers", async (context, seed) =>
        {
            var fired = 0;
            for (var i = 0; i < 3; i++)
            {
                using var cancel = new CancellationTokenSource();
                var never = context.CreateTimer(TimeSpan.FromDays(1), cancel.Token);
                var soon = context.CreateTimer(TimeSpan.FromMilliseconds(30), CancellationToken.None);
                fired += await Task.WhenAny(never, soon) == soon ? 1 : 0;
                cancel.Cancel();
            }

            return await context.CallActivityAsync<long>("Mix", (long)seed) + fired;
        })
        .AddOrchestratorFunc<int, long>("Events", async (context, seed) =>
        {
            var sender = context.CallSubOrchestratorAsync("Sender");
            var sum = (long)seed;
            for (var i = 0; i < 4; i++)
            {
                sum = await context.CallActivityAsync<long>("Mix", sum + await context.WaitForExternalEvent<int>("number"));
            }

            await sender;
            return sum;
        })
        .AddOrchestratorFunc("Sender", async context =>
        {
            for (var i = 0; i < 4; i++)
            {
                context.SendEvent(context.Parent!.InstanceId, "Number", i);
                await context.CallActivityAsync<long>("Mix", (long)i);
            }
        })
        .AddOrchestratorFunc<int, long>("Retries", async (context, seed) =>
            await context.CallActivityAsync<long>("Flaky", (long)seed, ManyTries) + await context.CallActivityAsync<long>("Flaky", (long)seed, ManyTries))
        .AddOrchestratorFunc<Loop, long>("Again", async (context, loop) =>
        {
            var sum = await context.CallActivityAsync<long>("Mix", loop.Sum);
            if (loop.Round < 3)
            {
                context.ContinueAsNew(new Loop(sum, loop.Round + 1));
            }

            return sum;
        })
        .AddOrchestratorFunc<int, long>("Entities", async (context, seed) =>
        {
            var own = new EntityInstanceId(nameof(Ledger), context.InstanceId);
            var shared = new EntityInstanceId(nameof(Ledger), $"shared-{seed % 3}");
            for (var i = 0; i < 3; i++)
            {
                await context.Entities.CallEntityAsync<long>(own, nameof(Ledger.Add), (long)seed + i);
            }

            await context.Entities.SignalEntityAsync(own, nameof(Ledger.Add), 1L);
            await using (await context.Entities.LockEntitiesAsync(own, shared))
            {
                var before = await context.Entities.CallEntityAsync<long>(shared, nameof(Ledger.Add), 1L);
                var after = await context.Entities.CallEntityAsync<long>(shared, nameof(Ledger.Add), 0L);
                return before == after
                    ? await context.CallActivityAsync<long>("Mix", await context.Entities.CallEntityAsync<long>(own, nameof(Ledger.Add), 0L))
                    : throw new InvalidOperationException("somebody came between");
            }
        })
        .AddEntity<Ledger>()
        .AddActivityFunc<long, long>("Mix", (_, n) => Mix(n))
        .AddActivityFunc<long, long>("Flaky", (_, n) => RandomNumberGenerator.GetInt32(2) == 0 ? Mix(n) : throw new TimeoutException("flaky"));

    /// <summary>The input of a shape for a seed.</summary>
    public static object Input(string shape, int seed) => shape == "Again" ? new Loop(seed, 0) : seed;

    private static long Mix(long n) => ((n * 6364136223846793005L) + 1442695040888963407L) >> 20;

    /// <summary>An entity that adds up.</summary>
    public sealed class Ledger : TaskEntity<long>
    {
        /// <summary>Adds and returns the sum.</summary>
        public long Add(long amount) => State += amount;
    }

    /// <summary>The input of the shape that continues as new.</summary>
    public sealed record Loop(long Sum, int Round);
}
