namespace Backup.Functions.Agents;

/// <summary>
/// How long an orchestration puts up with silence and failure. It is taken from the settings when a run begins and kept in its
/// history, so that a changed setting never changes a run under way.
/// </summary>
public sealed record JobPatience
{
    /// <summary>Ten minutes: an agent that restarts or reconnects is back by then; a run of a 15-minute class can still be repeated.</summary>
    public const int OfflineSecondsDefault = 600;

    /// <summary>Two hours: the agent has the order and most likely works on it; giving up early would waste a long backup.</summary>
    public const int LostContactSecondsDefault = 7200;

    /// <summary>The wait before a second attempt, doubled for the third: 30 + 60 s at most.</summary>
    public const int RetrySecondsDefault = 30;

    /// <summary>A day: nothing that is healthy takes longer, and no orchestration may wait for ever.</summary>
    public const int JobSecondsDefault = 86_400;

    /// <summary>The largest value of any of these.</summary>
    public const int SecondsMax = 7 * 86_400;

    /// <summary>Attempts of one job, the first included.</summary>
    public const int AttemptsMax = 3;

    /// <summary>The longest wait between two questions to a silent agent.</summary>
    public const int SilenceWaitSecondsMax = 60;

    /// <summary>The wait after a first silence; it doubles up to <see cref="SilenceWaitSecondsMax"/>.</summary>
    public const int SilenceWaitSecondsMin = 2;

    /// <summary>The pause between two questions to a working agent, in milliseconds; each question is a long poll besides.</summary>
    public const int PollMillisecondsDefault = 1000;

    /// <summary>Milliseconds between two questions to a working agent.</summary>
    public int PollMilliseconds { get; init; } = PollMillisecondsDefault;

    /// <summary>Seconds of silence, before an order was accepted, after which the job has failed.</summary>
    public int OfflineSeconds { get; init; } = OfflineSecondsDefault;

    /// <summary>Seconds of silence, after an order was accepted, after which the job has failed.</summary>
    public int LostContactSeconds { get; init; } = LostContactSecondsDefault;

    /// <summary>Seconds before the second attempt.</summary>
    public int RetrySeconds { get; init; } = RetrySecondsDefault;

    /// <summary>Seconds that a job may take in all, every attempt and wait included.</summary>
    public int JobSeconds { get; init; } = JobSecondsDefault;
}
