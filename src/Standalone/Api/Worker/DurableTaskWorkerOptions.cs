using Microsoft.DurableTask.Converters;

namespace Microsoft.DurableTask.Worker;

/// <summary>Options of a worker.</summary>
public class DurableTaskWorkerOptions
{
    /// <summary>How a version mismatch is handled.</summary>
    public enum VersionFailureStrategy
    {
        /// <summary>The work is left for a worker of the right version.</summary>
        Reject = 0,

        /// <summary>The instance fails.</summary>
        Fail = 1,
    }

    /// <summary>Which versions a worker takes.</summary>
    public enum VersionMatchStrategy
    {
        /// <summary>All.</summary>
        None = 0,

        /// <summary>Its own only.</summary>
        Strict = 1,

        /// <summary>Its own and older ones.</summary>
        CurrentOrOlder = 2,
    }

    /// <summary>Turns inputs, outputs and events into stored text and back.</summary>
    public DataConverter DataConverter { get; set; } = JsonDataConverter.Default;

    /// <summary>Whether orchestrations may use entities. Default true: PostgreSQL, as the durable task scheduler, supports them.</summary>
    public bool EnableEntitySupport { get; set; } = true;

    /// <summary>The longest single timer of backends that have such a limit; PostgreSQL has none, so this host ignores it.</summary>
    public TimeSpan MaximumTimerInterval { get; set; } = TimeSpan.FromDays(3);

    /// <summary>How much runs at once.</summary>
    public ConcurrencyOptions Concurrency { get; } = new();

    /// <summary>Which versions the worker takes; null: all.</summary>
    public VersioningOptions? Versioning { get; set; }

    /// <summary>Whether <see cref="Versioning"/> is set.</summary>
    public bool IsVersioningSet => Versioning is not null;

    /// <summary>Refuses orchestrations before they run.</summary>
    public IOrchestrationFilter? OrchestrationFilter { get; set; }

    /// <summary>How the worker logs.</summary>
    public LoggingOptions Logging { get; } = new();

    /// <summary>How much runs at once in this process.</summary>
    public class ConcurrencyOptions
    {
        /// <summary>Activities at once. Default: 100 per processor.</summary>
        public int MaximumConcurrentActivityWorkItems { get; set; } = 100 * Environment.ProcessorCount;

        /// <summary>Orchestration turns at once. Default: 100 per processor.</summary>
        public int MaximumConcurrentOrchestrationWorkItems { get; set; } = 100 * Environment.ProcessorCount;

        /// <summary>Entities at work at once. Default: 100 per processor.</summary>
        public int MaximumConcurrentEntityWorkItems { get; set; } = 100 * Environment.ProcessorCount;
    }

    /// <summary>How the worker logs.</summary>
    public class LoggingOptions
    {
        /// <summary>Kept for compatibility; this host has one set of categories.</summary>
        public bool UseLegacyCategories { get; set; } = true;
    }

    /// <summary>Versions.</summary>
    public class VersioningOptions
    {
        /// <summary>The worker's own version.</summary>
        public string Version { get; set; } = string.Empty;

        /// <summary>The version of sub-orchestrations called without one.</summary>
        public string DefaultVersion { get; set; } = string.Empty;

        /// <summary>Which versions the worker takes.</summary>
        public VersionMatchStrategy MatchStrategy { get; set; } = VersionMatchStrategy.None;

        /// <summary>What becomes of the others.</summary>
        public VersionFailureStrategy FailureStrategy { get; set; } = VersionFailureStrategy.Reject;
    }
}

/// <summary>Refuses orchestrations before they run.</summary>
public interface IOrchestrationFilter
{
    /// <summary>Whether the orchestration may run on this worker; one that may not fails.</summary>
    ValueTask<bool> IsOrchestrationValidAsync(OrchestrationFilterParameters info, CancellationToken cancellationToken = default);
}

/// <summary>What a filter sees of an orchestration.</summary>
public struct OrchestrationFilterParameters : IEquatable<OrchestrationFilterParameters>
{
    /// <summary>The orchestrator's name.</summary>
    public string? Name { get; init; }

    /// <summary>The instance's tags.</summary>
    public IReadOnlyDictionary<string, string>? Tags { get; init; }

    /// <summary>Equal name and the same tags.</summary>
    public static bool operator ==(OrchestrationFilterParameters left, OrchestrationFilterParameters right) => left.Equals(right);

    /// <summary>Different name or tags.</summary>
    public static bool operator !=(OrchestrationFilterParameters left, OrchestrationFilterParameters right) => !left.Equals(right);

    /// <inheritdoc/>
    public readonly bool Equals(OrchestrationFilterParameters other) => Name == other.Name && ReferenceEquals(Tags, other.Tags);

    /// <inheritdoc/>
    public override readonly bool Equals(object? obj) => obj is OrchestrationFilterParameters other && Equals(other);

    /// <inheritdoc/>
    public override readonly int GetHashCode() => HashCode.Combine(Name, Tags);
}

/// <summary>Makes orchestrators and activities by name.</summary>
public interface IDurableTaskFactory
{
    /// <summary>Makes an activity; false when there is none of the name.</summary>
    bool TryCreateActivity(
        TaskName name,
        IServiceProvider serviceProvider,
        [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out ITaskActivity? activity);

    /// <summary>Makes an orchestrator; false when there is none of the name.</summary>
    bool TryCreateOrchestrator(
        TaskName name,
        IServiceProvider serviceProvider,
        [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out ITaskOrchestrator? orchestrator);
}

/// <summary>Gives a failure further properties.</summary>
public interface IExceptionPropertiesProvider
{
    /// <summary>The properties of an exception that its failure details shall carry; null for none.</summary>
    IDictionary<string, object?>? GetExceptionProperties(Exception exception);
}
