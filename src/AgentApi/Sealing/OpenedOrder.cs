using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Backup.AgentApi;

/// <summary>An order that is authentic, for this agent, in time, and keeps the contract.</summary>
public sealed class OpenedOrder
{
    internal OpenedOrder(OrderFacts facts, OrderPayload payload)
    {
        Facts = facts;
        Payload = payload;
        Claim = new OrderClaim(
            facts.Statement.OrderId,
            payload.Operation,
            Fingerprint(payload),
            DateTimeOffset.FromUnixTimeMilliseconds(facts.Statement.ExpiresAtMs) + SealingLimits.ClockSkewMax);
    }

    /// <summary>The order's id.</summary>
    public OrderId OrderId => Claim.OrderId;

    /// <summary>What it asks.</summary>
    public Operation Operation => Claim.Operation;

    /// <summary>What it says; switch on its type.</summary>
    public OrderPayload Payload { get; }

    /// <summary>Who sent it.</summary>
    public PublicIdentity Sender => Facts.Sender;

    /// <summary>What an agent remembers of it.</summary>
    public OrderClaim Claim { get; }

    internal OrderFacts Facts { get; }

    private static string Fingerprint(OrderPayload payload)
    {
        // Credentials are left out: a job ordered again carries a fresh SAS, and is still the same job.
        var json = OrderWords.Write(payload.WithoutCredentials());
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{OrderWords.Word(payload.Operation)}\n{JsonSerializer.Serialize(json, WireJson.Default.JsonElement)}")));
    }
}
