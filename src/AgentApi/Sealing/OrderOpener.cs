using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;

namespace Backup.AgentApi;

/// <summary>The agent's side: opens orders and seals its answers. Safe to use from several threads.</summary>
/// <remarks>
/// Opening proves who sent an order, that it is for this agent, unaltered and in time. It does not know what came before:
/// whoever acts on job orders remembers their ids first, by <see cref="ReplayRule"/>.
/// </remarks>
public sealed class OrderOpener
{
    private readonly IKeyRing _keys;
    private static readonly long LastMillisecond = DateTimeOffset.MaxValue.ToUnixTimeMilliseconds();

    private readonly TimeProvider _clock;

    /// <summary>An agent with one identity that trusts one control plane.</summary>
    public OrderOpener(PrivateIdentity self, PublicIdentity controlPlane, TimeProvider clock)
        : this(new FixedKeys([self], [controlPlane]), clock)
    {
    }

    /// <summary>An agent whose keys may change.</summary>
    public OrderOpener(IKeyRing keys, TimeProvider clock)
    {
        ArgumentNullException.ThrowIfNull(keys);
        _keys = keys;
        _clock = clock;
    }

    /// <summary>Opens an order.</summary>
    /// <exception cref="AgentApiException">
    /// It is not acceptable. With <see cref="AgentApiException.SealedRefusal"/> set, answer 200 with those bytes; without it,
    /// answer 400 with an empty body, because the sender is not known to be ours.
    /// </exception>
    public OpenedOrder Open(ReadOnlySpan<byte> envelope)
    {
        var addressee = SealedBox.Addressee(EnvelopeKind.Order, envelope);
        var self = _keys.Own.FirstOrDefault(own => own.Public.KeyId == addressee)
            ?? throw new AgentApiException(AgentApiFault.NotForUs, "The order is encrypted to another key.", "Give the control plane this agent's current public identity.");
        var box = SealedBox.Open(EnvelopeKind.Order, self, envelope);
        var statement = Read(box);
        var sender = _keys.Trusted.FirstOrDefault(known => known.KeyId.ToString() == statement.FromKey)
            ?? throw new AgentApiException(AgentApiFault.UnknownSender, "The order names a sender this agent does not trust.", "Configure the control plane's current public identity.");
        box.RequireSignedBy(sender);
        if (statement.From != sender.Name) throw SealedBox.NotAuthentic();
        if (statement.Version != OrderStatement.CurrentVersion)
            throw new AgentApiException(AgentApiFault.UnsupportedVersion, "The order uses another version of the protocol.", "Bring control plane and agent to the same release.");
        if (statement.To != self.Name || statement.ToKey != self.Public.KeyId.ToString())
            throw new AgentApiException(AgentApiFault.NotForUs, "The order names another agent.", "Give the control plane this agent's current public identity.");
        RequireInTime(statement);
        _keys.NoteUse(self.Public.KeyId, sender.KeyId);
        var envelopeFacts = new OrderFacts(self, sender, statement, SHA256.HashData(envelope));
        return new OpenedOrder(envelopeFacts, ReadPayload(envelopeFacts));
    }

    /// <summary>Seals the answer to an order, bound to that very request.</summary>
    /// <exception cref="ArgumentException">The answer is not of the type that the order's operation has.</exception>
    /// <exception cref="AgentApiException">The answer is larger than <see cref="SealingLimits.AnswerBytesMax"/>.</exception>
    public byte[] SealAnswer<TAnswer>(OpenedOrder order, TAnswer answer)
        where TAnswer : class
    {
        ArgumentNullException.ThrowIfNull(order);
        ArgumentNullException.ThrowIfNull(answer);
        if (order.Payload is not OrderPayload<TAnswer>)
            throw new ArgumentException($"A {typeof(TAnswer).Name} does not answer '{order.Operation}'.", nameof(answer));
        return Seal(order.Facts, JsonSerializer.SerializeToElement(answer, WireJson.Default.GetTypeInfo(typeof(TAnswer))!), null);
    }

    /// <summary>Seals a refusal: the order is authentic, but the agent will not do it.</summary>
    public byte[] SealRefusal(OpenedOrder order, Failure refusal)
    {
        ArgumentNullException.ThrowIfNull(order);
        ArgumentNullException.ThrowIfNull(refusal);
        return Seal(order.Facts, null, refusal);
    }

    private static OrderStatement Read(OpenedBox box)
    {
        try
        {
            return JsonSerializer.Deserialize(box.Statement.Span, WireJson.Default.OrderStatement)!;
        }
        catch (JsonException)
        {
            // Not passed on as a cause: its text may quote the statement, and the sender is not known to be ours.
            throw new AgentApiException(AgentApiFault.Malformed, "The order's statement cannot be read.", "Bring control plane and agent to the same release.");
        }
    }

    private void RequireInTime(OrderStatement statement)
    {
        var now = _clock.GetUtcNow().ToUnixTimeMilliseconds();
        var skew = (long)SealingLimits.ClockSkewMax.TotalMilliseconds;
        var life = (Int128)statement.ExpiresAtMs - statement.IssuedAtMs;
        if (life <= 0 || life > (long)SealingLimits.OrderLifetimeMax.TotalMilliseconds)
            throw new AgentApiException(AgentApiFault.NotYetValid, "The order claims a time that cannot be.", "Bring control plane and agent to the same release.");
        if ((Int128)statement.IssuedAtMs - now > skew) throw OutOfTime(AgentApiFault.NotYetValid, statement, now);
        if ((Int128)now - statement.ExpiresAtMs > skew) throw OutOfTime(AgentApiFault.Expired, statement, now);
    }

    /// <summary>Says both times: whoever reads it sees at once whether a clock is years off, or an old order came once more.</summary>
    private static AgentApiException OutOfTime(AgentApiFault fault, OrderStatement statement, long now) => new(
        fault,
        $"The order was issued at {Instant(statement.IssuedAtMs)} by the control plane's clock, and here it is {Instant(now)}; clocks may differ by {SealingLimits.ClockSkewMax.TotalMinutes:0} minutes.",
        "Set the clock that is wrong; if both are right, somebody sent an old order again, and nothing has to be done.");

    private static string Instant(long milliseconds) => DateTimeOffset.UnixEpoch.AddMilliseconds(Math.Clamp(milliseconds, 0, LastMillisecond)).ToString("u", CultureInfo.InvariantCulture);

    private OrderPayload ReadPayload(OrderFacts facts)
    {
        var type = OrderWords.PayloadType(facts.Statement.Operation)
            ?? throw Refused(facts, FailureCode.UnknownOperation, "This agent does not know the operation.", "Update the agent.");
        try
        {
            var payload = (OrderPayload?)facts.Statement.Payload.Deserialize(type) ?? throw new JsonException("The payload is null.");
            var faults = OrderWords.Faults(payload);
            return faults.Count == 0
                ? payload
                : throw Refused(facts, FailureCode.InvalidOrder, $"The order breaks the contract: {string.Join("; ", faults)}.", "Correct the policy or the request.");
        }
        catch (JsonException e)
        {
            throw Refused(facts, FailureCode.InvalidOrder, "The order's payload cannot be read.", "Bring control plane and agent to the same release.", e);
        }
    }

    private AgentApiException Refused(OrderFacts facts, FailureCode code, string message, string hint, Exception? cause = null) =>
        new(AgentApiFault.Invalid, message, hint, cause)
        {
            SealedRefusal = Seal(facts, null, new Failure { Code = code, Message = message, Hint = hint }),
        };

    private byte[] Seal(OrderFacts facts, JsonElement? payload, Failure? refusal)
    {
        var statement = JsonSerializer.SerializeToUtf8Bytes(
            new AnswerStatement
            {
                Version = OrderStatement.CurrentVersion,
                From = facts.Self.Name,
                FromKey = facts.Self.Public.KeyId.ToString(),
                To = facts.Sender.Name,
                ToKey = facts.Sender.KeyId.ToString(),
                Operation = facts.Statement.Operation,
                OrderId = facts.Statement.OrderId,
                RequestSha256 = Convert.ToHexStringLower(facts.RequestHash),
                AnsweredAtMs = _clock.GetUtcNow().ToUnixTimeMilliseconds(),
                Payload = payload,
                Refusal = refusal,
            },
            WireJson.Default.AnswerStatement);
        if (statement.Length + SealedBox.OverheadBytes > SealingLimits.AnswerBytesMax)
            throw new AgentApiException(AgentApiFault.TooLarge, "The answer is larger than the control plane accepts.", "Answer with a smaller page.");
        return SealedBox.Seal(EnvelopeKind.Answer, facts.Self, facts.Sender, statement);
    }
}

/// <summary>Who, when and which request: everything about an order but its payload.</summary>
internal sealed record OrderFacts(PrivateIdentity Self, PublicIdentity Sender, OrderStatement Statement, byte[] RequestHash);
