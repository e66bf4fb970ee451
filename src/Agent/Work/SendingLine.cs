using Backup.AgentApi;
using Backup.Vault.Replicating;

namespace Backup.Agent.Work;

/// <summary>The line off-site: all of this agent's copies together keep the limit that the newest order says.</summary>
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
