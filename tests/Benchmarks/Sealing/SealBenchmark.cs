using System.Diagnostics;
using System.Globalization;
using Backup.AgentApi;

namespace Backup.Benchmarks.Sealing;

/// <summary>
/// The cost of sealing alone, both sides in this process and no relay: seal an order, open it, seal the answer, open that.
/// Processor time counts; the rate is what all threads of this machine reached.
/// </summary>
internal static class SealBenchmark
{
    private const int Exchanges = 20_000;

    public static async Task<int> RunAsync(string[] names)
    {
        using var controlPlane = PrivateIdentity.Create("control-plane");
        using var agent = PrivateIdentity.Create("lab-agent-1");
        var parties = new Parties(new OrderSealer(controlPlane, TimeProvider.System), new OrderOpener(agent, controlPlane.Public, TimeProvider.System), agent.Public);
        await RunAsync(parties, Exchanges / 10).ConfigureAwait(false);
        var allocated = GC.GetTotalAllocatedBytes();
        var cpu = Environment.CpuUsage.TotalTime;
        var wall = await RunAsync(parties, Exchanges).ConfigureAwait(false);
        var each = (Environment.CpuUsage.TotalTime - cpu) / Exchanges;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{Exchanges} exchanges on {Environment.ProcessorCount} processors: {each.TotalMicroseconds:0} us of processor time and {(GC.GetTotalAllocatedBytes() - allocated) / Exchanges} bytes allocated each, {Exchanges / wall.TotalSeconds:0}/s"));
        return 0;
    }

    private static async Task<TimeSpan> RunAsync(Parties parties, int exchanges)
    {
        var next = 0;
        var begun = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, Environment.ProcessorCount).Select(_ => Task.Run(() =>
        {
            while (Interlocked.Increment(ref next) <= exchanges)
            {
                parties.Exchange();
            }
        }))).ConfigureAwait(false);
        return Stopwatch.GetElapsedTime(begun);
    }

    private sealed record Parties(OrderSealer Sealer, OrderOpener Opener, PublicIdentity Agent)
    {
        private static readonly BackupOrder Order = new()
        {
            RunId = "run-1",
            Asset = "fits-files",
            SourceKind = SourceKind.Files,
            Files = new FilesSettings { Paths = ["/data/fits"], Excludes = ["*.tmp"] },
            Vault = "main",
        };

        public void Exchange()
        {
            var sent = Sealer.Seal(Agent, OrderId.NewRandom(), Order);
            var opened = Opener.Open(sent.Envelope.Span);
            var answer = Opener.SealAnswer(opened, new JobTicket { OrderId = opened.OrderId, State = JobState.Queued });
            if (Sealer.Open(sent, answer).Value is null)
            {
                throw new InvalidOperationException("The answer did not come back.");
            }
        }
    }
}
