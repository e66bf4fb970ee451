namespace Backup.AgentApi;

/// <summary>Why an identity, an order or an answer was not accepted.</summary>
public enum AgentApiFault
{
    /// <summary>The bytes are not an envelope or an identity of this format.</summary>
    Malformed,

    /// <summary>The message is larger than this side accepts.</summary>
    TooLarge,

    /// <summary>The message uses a newer version of this protocol.</summary>
    UnsupportedVersion,

    /// <summary>The message is encrypted to, or names, somebody else.</summary>
    NotForUs,

    /// <summary>The message names a sender that this side does not trust.</summary>
    UnknownSender,

    /// <summary>Decryption or the signature failed: the bytes were altered or made by somebody else.</summary>
    NotAuthentic,

    /// <summary>The order's time is over.</summary>
    Expired,

    /// <summary>The order was issued in the future, further than clocks may differ, or claims too long a life.</summary>
    NotYetValid,

    /// <summary>The answer belongs to another request.</summary>
    AnswerMismatch,

    /// <summary>The message is authentic, but its content breaks a rule of the contract.</summary>
    Invalid,

    /// <summary>An identity file is missing, damaged or readable by others.</summary>
    IdentityUnusable,

    /// <summary>The recipient has no key yet: it was never enrolled.</summary>
    NotEnrolled,

    /// <summary>An identity is never overwritten, and the file exists already.</summary>
    IdentityExists,
}

/// <summary>The only exception this project throws for what others sent or stored. Texts never hold secrets or message content.</summary>
/// <param name="fault">What was wrong.</param>
/// <param name="message">What happened, for people.</param>
/// <param name="hint">What to do about it.</param>
/// <param name="cause">The underlying failure.</param>
public sealed class AgentApiException(AgentApiFault fault, string message, string hint, Exception? cause = null)
    : Exception($"{message}\nHint: {hint}", cause)
{
    /// <summary>What was wrong.</summary>
    public AgentApiFault Fault { get; } = fault;

    /// <summary>What to do about it.</summary>
    public string Hint { get; } = hint;

    /// <summary>True when sealing the same order anew may succeed; the same bytes never will.</summary>
    public bool IsTransient => Fault is AgentApiFault.Expired or AgentApiFault.NotEnrolled;

    /// <summary>
    /// Set only by <see cref="OrderOpener.Open"/> when the sender is authentic but its order breaks the contract: an answer,
    /// sealed to that sender, which says so. Send it with status 200. When null, answer 400 and say nothing.
    /// </summary>
    public ReadOnlyMemory<byte>? SealedRefusal { get; init; }
}
