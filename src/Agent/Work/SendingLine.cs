using System.Collections.Concurrent;
using Backup.AgentApi;
using Backup.Vault.Replicating;

namespace Backup.Agent.Work;

/// <summary>A line that copies go over: all of them together keep the limit that the newest order says.</summary>
internal sealed class SendingLine : IDisposable
{
    private volatile IReadOnlyList<RateStep> _steps = [];

    public SendingLine(TimeProvider time) => Budget = new TransferBudget(time, now => RateAt(_steps, now));

    /// <summary>Whom every copy asks before it sends.</summary>
    public TransferBudget Budget { get; }

    /// <summary>From now on these limits hold, also for copies under way: the control plane knows best.</summary>
    public void Use(IReadOnlyList<RateStep> steps) => _steps = steps;

    public void Dispose() => Budget.Dispose();

    internal static long? RateAt(IReadOnlyList<RateStep> steps, DateTimeOffset now) => steps.LastOrDefault(step => step.From <= now)?.BytesPerSecond;
}

/// <summary>The agent's lines: one off-site, and one to each place on another node.</summary>
internal sealed class SendingLines(TimeProvider time) : IDisposable
{
    private readonly SendingLine _offsite = new(time);
    private readonly ConcurrentDictionary<string, SendingLine> _places = new(StringComparer.Ordinal);

    /// <summary>The line to a place of the agent's configuration; null for the one off-site.</summary>
    public SendingLine To(string? place) => place is null ? _offsite : _places.GetOrAdd(place, _ => new SendingLine(time));

    public void Dispose()
    {
        _offsite.Dispose();
        foreach (var line in _places.Values) line.Dispose();
    }
}
