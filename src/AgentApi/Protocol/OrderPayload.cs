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

    /// <summary>The same payload without short-lived credentials and priority: what makes two orders the same job.</summary>
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

/// <summary>Which of the waiting jobs an agent begins first.</summary>
[JsonConverter(typeof(WireEnum<JobPriority>))]
public enum JobPriority
{
    /// <summary>After everything else.</summary>
    [JsonStringEnumMemberName("low")] Low,

    /// <summary>As a rule.</summary>
    [JsonStringEnumMemberName("normal")] Normal,

    /// <summary>Before what may wait.</summary>
    [JsonStringEnumMemberName("high")] High,

    /// <summary>Before everything else. Running jobs are not interrupted.</summary>
    [JsonStringEnumMemberName("urgent")] Urgent,
}

/// <summary>An order that starts a job.</summary>
public abstract record JobOrder : OrderPayload<JobTicket>
{
    private protected JobOrder()
    {
    }

    /// <summary>Null for what fits the operation: restores, surveys and what holds applications are urgent, because somebody waits; backups normal; all others low.</summary>
    [JsonPropertyName("priority")] public JobPriority? Priority { get; init; }

    /// <summary>The priority that counts.</summary>
    [JsonIgnore]
    public JobPriority PriorityOrDefault => Priority ?? Operation switch
    {
        Operation.Restore or Operation.Hold or Operation.Release or Operation.Survey => JobPriority.Urgent,
        Operation.Replicate or Operation.Prune or Operation.Verify or Operation.Tidy => JobPriority.Low,
        _ => JobPriority.Normal,
    };

    internal override OrderPayload WithoutCredentials() => this with { Priority = null };
}
