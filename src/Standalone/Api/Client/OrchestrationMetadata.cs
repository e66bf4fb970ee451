using System.Text;

namespace Microsoft.DurableTask.Client;

/// <summary>The status of an orchestration instance.</summary>
public enum OrchestrationRuntimeStatus
{
    /// <summary>It has begun and not finished.</summary>
    Running = 0,

    /// <summary>It finished with a result.</summary>
    Completed = 1,

    /// <summary>It is between two executions; never stored by this host.</summary>
    ContinuedAsNew = 2,

    /// <summary>It finished with a failure.</summary>
    Failed = 3,

    /// <summary>Never used by this host.</summary>
    Canceled = 4,

    /// <summary>It was terminated.</summary>
    Terminated = 5,

    /// <summary>It is scheduled and has not begun.</summary>
    Pending = 6,

    /// <summary>It is suspended.</summary>
    Suspended = 7,
}

/// <summary>What is known of an orchestration instance at one moment.</summary>
public sealed class OrchestrationMetadata
{
    /// <summary>Metadata of an instance.</summary>
    /// <param name="name">The orchestrator's name.</param>
    /// <param name="instanceId">The instance's id.</param>
    public OrchestrationMetadata(string name, string instanceId)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentException.ThrowIfNullOrEmpty(instanceId);
        Name = name;
        InstanceId = instanceId;
    }

    /// <summary>The orchestrator's name.</summary>
    public string Name { get; }

    /// <summary>The instance's id.</summary>
    public string InstanceId { get; }

    /// <summary>Reads the serialized members; null when inputs and outputs were not asked for.</summary>
    public DataConverter? DataConverter { get; init; }

    /// <summary>The status.</summary>
    public OrchestrationRuntimeStatus RuntimeStatus { get; init; }

    /// <summary>When the instance was scheduled.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>When the instance last changed.</summary>
    public DateTimeOffset LastUpdatedAt { get; init; }

    /// <summary>The input as stored; null when not asked for.</summary>
    public string? SerializedInput { get; init; }

    /// <summary>The output as stored; null when not asked for or not finished.</summary>
    public string? SerializedOutput { get; init; }

    /// <summary>The custom status as stored; null when not asked for or not set.</summary>
    public string? SerializedCustomStatus { get; init; }

    /// <summary>The instance's tags.</summary>
    public IReadOnlyDictionary<string, string> Tags { get; init; } = new Dictionary<string, string>();

    /// <summary>Why a failed instance failed; null when inputs and outputs were not asked for.</summary>
    public TaskFailureDetails? FailureDetails { get; init; }

    /// <summary>Whether the status is running.</summary>
    public bool IsRunning => RuntimeStatus == OrchestrationRuntimeStatus.Running;

    /// <summary>Whether the instance is finished: completed, failed or terminated.</summary>
    public bool IsCompleted => RuntimeStatus
        is OrchestrationRuntimeStatus.Completed or OrchestrationRuntimeStatus.Failed or OrchestrationRuntimeStatus.Terminated;

    private bool RequestedInputsAndOutputs => DataConverter is not null;

    /// <summary>The input.</summary>
    /// <exception cref="InvalidOperationException">Inputs and outputs were not asked for.</exception>
    public T? ReadInputAs<T>() => Read<T>(SerializedInput);

    /// <summary>The output.</summary>
    /// <exception cref="InvalidOperationException">Inputs and outputs were not asked for.</exception>
    public T? ReadOutputAs<T>() => Read<T>(SerializedOutput);

    /// <summary>The custom status.</summary>
    /// <exception cref="InvalidOperationException">Inputs and outputs were not asked for.</exception>
    public T? ReadCustomStatusAs<T>() => Read<T>(SerializedCustomStatus);

    /// <summary>Name, id and status, for logs; inputs and outputs are cut short.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.Append(System.Globalization.CultureInfo.InvariantCulture, $"[Name: '{Name}', ID: '{InstanceId}', RuntimeStatus: {RuntimeStatus}");
        text.Append(System.Globalization.CultureInfo.InvariantCulture, $", CreatedAt: {CreatedAt:s}, LastUpdatedAt: {LastUpdatedAt:s}");
        Append(text, "Input", SerializedInput);
        Append(text, "Output", SerializedOutput);
        if (FailureDetails is not null)
        {
            Append(text, "FailureDetails", $"{FailureDetails.ErrorType}: {FailureDetails.ErrorMessage}");
        }

        return text.Append(']').ToString();
    }

    private static void Append(StringBuilder text, string label, string? value)
    {
        const int LengthMax = 40;
        if (value is not null)
        {
            var shown = value.Length > LengthMax ? value[..LengthMax] + "..." : value;
            text.Append(", ").Append(label).Append(": '").Append(shown).Append('\'');
        }
    }

    private T? Read<T>(string? serialized) => RequestedInputsAndOutputs
        ? DataConverter!.Deserialize<T>(serialized)
        : throw new InvalidOperationException(
            $"The {nameof(OrchestrationMetadata)} holds no inputs and outputs: ask for them with getInputsAndOutputs (or FetchInputsAndOutputs in a query).");
}
