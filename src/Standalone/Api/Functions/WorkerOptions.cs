using Azure.Core.Serialization;

namespace Microsoft.Azure.Functions.Worker;

/// <summary>Options of the functions worker.</summary>
public class WorkerOptions
{
    /// <summary>Serializes durable inputs and outputs and request bodies; null: JSON whose names match without regard to case.</summary>
    public ObjectSerializer? Serializer { get; set; }

    /// <summary>The app's own converters of parameters, asked in order before the host's.</summary>
    public InputConverterCollection InputConverters { get; } = new();

    /// <summary>Capabilities told to the Functions host; the standalone host has no such negotiation and ignores them.</summary>
    public IDictionary<string, string> Capabilities { get; } = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);

    /// <summary>Whether the Functions host shows user exceptions unwrapped; the standalone host always does.</summary>
    public bool EnableUserCodeException { get; set; } = true;

    /// <summary>A detail of the Functions host's protocol, which the standalone host does not have.</summary>
    public bool IncludeEmptyEntriesInMessagePayload { get; set; }
}
