using System.Globalization;
using Shouldly;

namespace Backup.AgentApi.Tests.Load;

/// <summary>Measurements, run only when asked for: <c>Backup.AgentApi.Tests -explicit only -showLiveOutput</c>. No rate fails them.</summary>
public sealed class LoadCommands
{
    [Fact(Explicit = true)]
    public async Task SealOpenAnswerOpen_ByEightThreads()
    {
        const int Exchanges = 2_000;
        var parties = new Parties();
        var next = 0;
        Exchange(parties);
        var cpu = Environment.CpuUsage.TotalTime;
        var begun = System.Diagnostics.Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            while (Interlocked.Increment(ref next) <= Exchanges) Exchange(parties);
        })));
        var wall = System.Diagnostics.Stopwatch.GetElapsedTime(begun);
        FormattableString text = $"{Exchanges / wall.TotalSeconds:0} whole exchanges/s (4 signatures or checks, 4 key agreements), {(Environment.CpuUsage.TotalTime - cpu).TotalMicroseconds / Exchanges:0} us of CPU each";
        TestContext.Current.TestOutputHelper!.WriteLine(text.ToString(CultureInfo.InvariantCulture));
    }

    private static void Exchange(Parties parties)
    {
        var sent = parties.SealBackup();
        var answer = parties.Opener.SealAnswer(parties.Opener.Open(sent.Envelope.Span), new JobTicket { OrderId = Parties.Id, State = JobState.Queued });
        parties.Sealer.Open(sent, answer).Value!.State.ShouldBe(JobState.Queued);
    }
}
