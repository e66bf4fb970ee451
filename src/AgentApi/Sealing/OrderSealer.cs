using System.Security.Cryptography;
using System.Text.Json;

namespace Backup.AgentApi;

/// <summary>An order on its way: the bytes to post, and what is needed to recognise its answer.</summary>
/// <typeparam name="TAnswer">What the agent will answer.</typeparam>
public sealed class SealedOrder<TAnswer>
    where TAnswer : class
{
    internal SealedOrder(byte[] envelope, PublicIdentity agent, OrderId orderId, Operation operation)
    {
        Envelope = envelope;
        Agent = agent;
        OrderId = orderId;
        Operation = operation;
        RequestHash = SHA256.HashData(envelope);
    }

    /// <summary>The request's body.</summary>
    public ReadOnlyMemory<byte> Envelope { get; }

    /// <summary>Whom it is for.</summary>
    public PublicIdentity Agent { get; }

    /// <summary>Its id.</summary>
    public OrderId OrderId { get; }

    /// <summary>What it asks.</summary>
    public Operation Operation { get; }

    internal byte[] RequestHash { get; }
}

/// <summary>What an agent said: exactly one of the two is set.</summary>
/// <param name="Value">The answer.</param>
/// <param name="Refusal">Why the agent will not do what was asked.</param>
public sealed record Answer<TAnswer>(TAnswer? Value, Failure? Refusal)
    where TAnswer : class;

/// <summary>The control plane's side: seals orders and opens the agents' answers. Safe to use from several threads.</summary>
/// <param name="self">The control plane's identity; owned by the caller.</param>
/// <param name="clock">Sets the times in orders.</param>
public sealed class OrderSealer(PrivateIdentity self, TimeProvider clock)
{
    /// <summary>Seals an order. Each call makes other bytes; the agent recognises a repetition by the order's id.</summary>
    /// <param name="agent">Whom it is for.</param>
    /// <param name="orderId">The same id always means the same job. For queries a random one.</param>
    /// <param name="order">What to do.</param>
    /// <param name="lifetime">How long the agent may accept it; null for <see cref="SealingLimits.OrderLifetimeDefault"/>.</param>
    /// <exception cref="ArgumentException">The order breaks the contract, or the lifetime is not within <see cref="SealingLimits.OrderLifetimeMax"/>.</exception>
    /// <exception cref="AgentApiException">The order is larger than <see cref="SealingLimits.OrderBytesMax"/>.</exception>
    public SealedOrder<TAnswer> Seal<TAnswer>(PublicIdentity agent, OrderId orderId, OrderPayload<TAnswer> order, TimeSpan? lifetime = null)
        where TAnswer : class
    {
        ArgumentNullException.ThrowIfNull(agent);
        ArgumentNullException.ThrowIfNull(order);
        var life = lifetime ?? SealingLimits.OrderLifetimeDefault;
        if (life <= TimeSpan.Zero || life > SealingLimits.OrderLifetimeMax)
            throw new ArgumentOutOfRangeException(nameof(lifetime), life, "An order lives more than nothing and at most an hour.");
        if (OrderWords.Faults(order) is { Count: > 0 } faults)
            throw new ArgumentException($"The order breaks the contract: {string.Join("; ", faults)}.", nameof(order));
        var now = clock.GetUtcNow();
        var statement = JsonSerializer.SerializeToUtf8Bytes(
            new OrderStatement
            {
                Version = OrderStatement.CurrentVersion,
                From = self.Name,
                FromKey = self.Public.KeyId.ToString(),
                To = agent.Name,
                ToKey = agent.KeyId.ToString(),
                Operation = OrderWords.Word(order.Operation),
                OrderId = OrderId.Parse(orderId.ToString()),
                IssuedAtMs = now.ToUnixTimeMilliseconds(),
                ExpiresAtMs = (now + life).ToUnixTimeMilliseconds(),
                Payload = OrderWords.Write(order),
            },
            WireJson.Default.OrderStatement);
        if (statement.Length + SealedBox.OverheadBytes > SealingLimits.OrderBytesMax)
            throw new AgentApiException(AgentApiFault.TooLarge, "The order is larger than an agent accepts.", "List fewer paths or patterns in one asset.");
        return new SealedOrder<TAnswer>(SealedBox.Seal(EnvelopeKind.Order, self, agent, statement), agent, orderId, order.Operation);
    }

    /// <summary>Opens the answer to an order.</summary>
    /// <exception cref="AgentApiException">The bytes are not that agent's answer to that very request.</exception>
    public Answer<TAnswer> Open<TAnswer>(SealedOrder<TAnswer> order, ReadOnlySpan<byte> answer)
        where TAnswer : class
    {
        ArgumentNullException.ThrowIfNull(order);
        if (SealedBox.Addressee(EnvelopeKind.Answer, answer) != self.Public.KeyId)
            throw new AgentApiException(AgentApiFault.NotForUs, "The answer is encrypted to another key.", "The agent trusts an older control plane key: give it the current public identity.");
        var box = SealedBox.Open(EnvelopeKind.Answer, self, answer);
        box.RequireSignedBy(order.Agent);
        try
        {
            var statement = JsonSerializer.Deserialize(box.Statement.Span, WireJson.Default.AnswerStatement)!;
            RequireBelonging(order, statement);
            if (statement.Refusal is { } refusal) return new Answer<TAnswer>(null, refusal);
            var value = statement.Payload is { } payload
                ? (TAnswer?)payload.Deserialize(WireJson.Default.GetTypeInfo(typeof(TAnswer))!)
                : null;
            return new Answer<TAnswer>(value ?? throw new JsonException("neither payload nor refusal"), null);
        }
        catch (JsonException e)
        {
            throw new AgentApiException(AgentApiFault.Invalid, "The agent's answer breaks the contract.", "Bring control plane and agent to the same release.", e);
        }
    }

    private void RequireBelonging<TAnswer>(SealedOrder<TAnswer> order, AnswerStatement statement)
        where TAnswer : class
    {
        if (statement.Version != OrderStatement.CurrentVersion)
            throw new AgentApiException(AgentApiFault.UnsupportedVersion, "The answer uses another version of the protocol.", "Bring control plane and agent to the same release.");
        Span<byte> request = stackalloc byte[SHA256.HashSizeInBytes];
        var belongs = statement.From == order.Agent.Name
            && statement.FromKey == order.Agent.KeyId.ToString()
            && statement.To == self.Name
            && statement.ToKey == self.Public.KeyId.ToString()
            && statement.OrderId == order.OrderId
            && statement.Operation == OrderWords.Word(order.Operation)
            && Convert.FromHexString(statement.RequestSha256, request, out _, out var written) == System.Buffers.OperationStatus.Done
            && CryptographicOperations.FixedTimeEquals(request[..written], order.RequestHash);
        if (!belongs)
            throw new AgentApiException(AgentApiFault.AnswerMismatch, "The answer belongs to another request.", "Somebody may be replaying old answers: check who holds the relay's keys.");
    }
}
