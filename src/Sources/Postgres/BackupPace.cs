using Backup.Sources.Posix;

namespace Backup.Sources.Postgres;

/// <summary>
/// Makes a backup yield to the clients of the server whose machine it shares: while any are at work its readers pause, so that together they take of the
/// processors what the others leave, less a reserve, but always a twentieth. A server without clients is read as fast as can be.
/// </summary>
/// <remarks>
/// Priorities do not do this. Each of the server's processes is a session, and so a scheduling group of its own where the kernel groups by sessions (autogroup):
/// a nice value or the idle class then count only among our own threads. The group's own nice value at 19 helps little: who wakes for a moment, as a client does for each
/// commit, finds the processors taken. tests/Benchmarks/README.md has what was measured.
/// </remarks>
/// <param name="session">Asked how many clients are at work; nobody else may use it until <see cref="EndAsync"/>. Their states are hidden from a role without pg_monitor, and count as none.</param>
/// <param name="workers">How many threads will call <see cref="Yield"/>.</param>
/// <param name="clock">Paces.</param>
/// <param name="cancel">Ends pauses.</param>
internal sealed class BackupPace(BackupSession session, int workers, TimeProvider clock, CancellationToken cancel) : IAsyncDisposable
{
    /// <summary>However busy the server is, a backup must come to its end: the log that it keeps grows until then.</summary>
    private const double ShareMin = 0.05;

    /// <summary>What is left idle, so that a client that wakes finds a processor.</summary>
    private const double Reserve = 0.2;

    /// <summary>Also the longest pause before what is wanted is looked at again.</summary>
    private static readonly TimeSpan Every = TimeSpan.FromMilliseconds(250);

    /// <summary>Shorter work is not worth a pause.</summary>
    private static readonly TimeSpan TurnMin = TimeSpan.FromMilliseconds(5);

    private readonly CancellationTokenSource _stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
    private readonly ThreadLocal<Turn> _turns = new(() => new Turn());
    private readonly ProcessorTimes _beginning = ProcessorTimes.Now(clock);
    private Task _following = Task.CompletedTask;
    private double _threadShare = 1;

    /// <summary>A thread's work since its last pause.</summary>
    private sealed class Turn
    {
        internal TimeSpan Worked = ThreadTime.Now();
        internal long? Began;
    }

    /// <summary>Begins to look at the server and the processors. What went on since this was made counts already.</summary>
    internal void Begin() => _following = Task.Run(FollowAsync, CancellationToken.None);

    /// <summary>Called by a reader between two pieces of work, with no lock held: pauses for as long as it has to.</summary>
    internal void Yield()
    {
        var turn = _turns.Value!;
        turn.Began ??= clock.GetTimestamp();
        var worked = ThreadTime.Now() - turn.Worked;
        if (worked < TurnMin)
            return;
        while (Volatile.Read(ref _threadShare) is < 1 and var share && (worked / share) - clock.GetElapsedTime(turn.Began.Value) is { Ticks: > 0 } pause)
        {
            if (cancel.WaitHandle.WaitOne(pause < Every ? pause : Every))
                break;
        }

        (turn.Worked, turn.Began) = (ThreadTime.Now(), clock.GetTimestamp());
    }

    /// <summary>Gives the session back; nobody pauses any more.</summary>
    /// <exception cref="SourcesException">The session is lost.</exception>
    internal async Task EndAsync()
    {
        await _stop.CancelAsync();
        await _following;
        Volatile.Write(ref _threadShare, 1);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _following.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
        _turns.Dispose();
    }

    /// <summary>The share of the machine, 0 to 1, that a backup may take.</summary>
    /// <param name="clients">How many of the server's clients are at work.</param>
    /// <param name="others">The share of the machine that all others have.</param>
    internal static double ShareOf(long clients, double others) => clients == 0 ? 1 : Math.Max(1 - others - Reserve, ShareMin);

    private async Task FollowAsync()
    {
        try
        {
            for (var before = _beginning; ;)
            {
                // Not given up with the pace: the session is needed afterwards.
                var clients = await session.CountClientsAsync(cancel);
                var now = ProcessorTimes.Now(clock);
                Volatile.Write(ref _threadShare, ShareOf(clients, now.OthersSince(before, clock)) * now.Processors / workers);
                before = now;
                await Task.Delay(Every, clock, _stop.Token);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The way to end it.
        }
    }
}
