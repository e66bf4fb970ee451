namespace Backup.AgentApi;

/// <summary>What an agent remembers of an order.</summary>
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

/// <summary>The rule of whoever remembers which order ids were used for what: the agent's journal.</summary>
/// <remarks>
/// A claim is durable before its order is answered: a process that dies right after answering must not do the same order twice. Of two concurrent orders
/// with one id only one is <see cref="ReplayVerdict.First"/>. Claims of jobs are kept as long as the job's outcome can be asked for.
/// </remarks>
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
