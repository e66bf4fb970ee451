namespace Backup.AgentApi;

/// <summary>What a replay store remembers of an order.</summary>
/// <param name="OrderId">The order's id.</param>
/// <param name="Operation">What it asked.</param>
/// <param name="Fingerprint">SHA-256 over operation and payload without short-lived credentials, lower-case hex.</param>
/// <param name="AcceptableUntil">After this instant the same envelope is refused as expired. Jobs are remembered longer, as long as their journal.</param>
public sealed record OrderClaim(OrderId OrderId, Operation Operation, string Fingerprint, DateTimeOffset AcceptableUntil);

/// <summary>What an order id's history says about an order.</summary>
public enum ReplayVerdict
{
    /// <summary>The id is new and now taken: do the work.</summary>
    First,

    /// <summary>The same order came before: answer from what is stored, do no work.</summary>
    Repeat,

    /// <summary>The id was used for something else: refuse with <see cref="FailureCode.OrderIdReused"/>.</summary>
    Conflict,
}

/// <summary>Remembers which order ids were used for what. The agent owns the implementation.</summary>
/// <remarks>
/// A claim is durable before <see cref="ClaimAsync"/> returns <see cref="ReplayVerdict.First"/>: a process that dies right
/// after answering must not do the same order twice. Two concurrent claims of one id never both get
/// <see cref="ReplayVerdict.First"/>. Claims of jobs are kept as long as the job's outcome can be asked for.
/// </remarks>
public interface IReplayStore
{
    /// <summary>Claims an order id, or says what it was used for. Idempotent: repeating a claim gives <see cref="ReplayVerdict.Repeat"/>.</summary>
    ValueTask<ReplayVerdict> ClaimAsync(OrderClaim claim, CancellationToken cancel);
}

/// <summary>The rule every replay store follows.</summary>
public static class ReplayRule
{
    /// <summary>Judges an order by the earlier claim of its id, if there is one.</summary>
    /// <exception cref="ArgumentException">The claims are of different ids.</exception>
    public static ReplayVerdict Judge(OrderClaim? earlier, OrderClaim now)
    {
        ArgumentNullException.ThrowIfNull(now);
        if (earlier is null) return ReplayVerdict.First;
        if (earlier.OrderId != now.OrderId) throw new ArgumentException("Claims of different orders cannot be compared.", nameof(earlier));
        return earlier.Operation == now.Operation && string.Equals(earlier.Fingerprint, now.Fingerprint, StringComparison.Ordinal)
            ? ReplayVerdict.Repeat
            : ReplayVerdict.Conflict;
    }
}
