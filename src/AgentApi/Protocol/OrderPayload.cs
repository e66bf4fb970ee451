using System.Text.Json.Serialization;

namespace Backup.AgentApi;

/// <summary>What an order says. Every kind is a record of this folder; agents switch on the type.</summary>
public abstract record OrderPayload
{
    private protected OrderPayload()
    {
    }

    /// <summary>The operation this payload belongs to; signed with it, so a payload cannot be replayed under another.</summary>
    [JsonIgnore]
    public abstract Operation Operation { get; }

    /// <summary>The same payload without short-lived credentials: what makes two orders the same job.</summary>
    internal virtual OrderPayload WithoutCredentials() => this;

    /// <summary>Reports each broken rule of the contract by field.</summary>
    internal abstract void Check(ContractCheck check);
}

/// <summary>An order whose answer is a <typeparamref name="TAnswer"/>.</summary>
public abstract record OrderPayload<TAnswer> : OrderPayload
    where TAnswer : class
{
    private protected OrderPayload()
    {
    }
}
