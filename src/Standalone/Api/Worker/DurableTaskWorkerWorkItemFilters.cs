namespace Microsoft.DurableTask.Worker;

/// <summary>Which work a worker takes; the rest is left for others of the hub. An empty list of a kind means none of that kind.</summary>
public class DurableTaskWorkerWorkItemFilters
{
    /// <summary>The orchestrations to take.</summary>
    public IReadOnlyList<OrchestrationFilter> Orchestrations { get; set; } = [];

    /// <summary>The activities to take.</summary>
    public IReadOnlyList<ActivityFilter> Activities { get; set; } = [];

    /// <summary>The entities to take.</summary>
    public IReadOnlyList<EntityFilter> Entities { get; set; } = [];

    /// <summary>Orchestrations of a name.</summary>
    public struct OrchestrationFilter : IEquatable<OrchestrationFilter>
    {
        /// <summary>All of no name.</summary>
        public OrchestrationFilter()
            : this(string.Empty, null)
        {
        }

        /// <summary>Those of a name and versions.</summary>
        /// <param name="name">The name, without regard to case.</param>
        /// <param name="versions">The versions; null or none: all.</param>
        public OrchestrationFilter(string name, IReadOnlyList<string>? versions)
        {
            Name = name;
            Versions = versions ?? [];
        }

        /// <summary>The name, without regard to case.</summary>
        public string Name { get; init; }

        /// <summary>The versions; none: all.</summary>
        public IReadOnlyList<string> Versions { get; init; }

        /// <summary>Equal name and the same versions.</summary>
        public static bool operator ==(OrchestrationFilter left, OrchestrationFilter right) => left.Equals(right);

        /// <summary>Different name or versions.</summary>
        public static bool operator !=(OrchestrationFilter left, OrchestrationFilter right) => !left.Equals(right);

        /// <inheritdoc/>
        public readonly bool Equals(OrchestrationFilter other) => Name == other.Name && Versions.SequenceEqual(other.Versions);

        /// <inheritdoc/>
        public override readonly bool Equals(object? obj) => obj is OrchestrationFilter other && Equals(other);

        /// <inheritdoc/>
        public override readonly int GetHashCode() => HashCode.Combine(Name, Versions.Count);
    }

    /// <summary>Activities of a name.</summary>
    public struct ActivityFilter : IEquatable<ActivityFilter>
    {
        /// <summary>All of no name.</summary>
        public ActivityFilter()
            : this(string.Empty, null)
        {
        }

        /// <summary>Those of a name and versions.</summary>
        /// <param name="name">The name, without regard to case.</param>
        /// <param name="versions">The versions; null or none: all.</param>
        public ActivityFilter(string name, IReadOnlyList<string>? versions)
        {
            Name = name;
            Versions = versions ?? [];
        }

        /// <summary>The name, without regard to case.</summary>
        public string Name { get; init; }

        /// <summary>The versions; none: all.</summary>
        public IReadOnlyList<string> Versions { get; init; }

        /// <summary>Equal name and the same versions.</summary>
        public static bool operator ==(ActivityFilter left, ActivityFilter right) => left.Equals(right);

        /// <summary>Different name or versions.</summary>
        public static bool operator !=(ActivityFilter left, ActivityFilter right) => !left.Equals(right);

        /// <inheritdoc/>
        public readonly bool Equals(ActivityFilter other) => Name == other.Name && Versions.SequenceEqual(other.Versions);

        /// <inheritdoc/>
        public override readonly bool Equals(object? obj) => obj is ActivityFilter other && Equals(other);

        /// <inheritdoc/>
        public override readonly int GetHashCode() => HashCode.Combine(Name, Versions.Count);
    }

    /// <summary>Entities of a name.</summary>
    public struct EntityFilter : IEquatable<EntityFilter>
    {
        /// <summary>All of no name.</summary>
        public EntityFilter()
            : this(string.Empty)
        {
        }

        /// <summary>Those of a name.</summary>
        /// <param name="name">The name, without regard to case.</param>
        public EntityFilter(string name) => Name = name;

        /// <summary>The name, without regard to case.</summary>
        public string Name { get; init; }

        /// <summary>Equal name.</summary>
        public static bool operator ==(EntityFilter left, EntityFilter right) => left.Equals(right);

        /// <summary>Different name.</summary>
        public static bool operator !=(EntityFilter left, EntityFilter right) => !left.Equals(right);

        /// <inheritdoc/>
        public readonly bool Equals(EntityFilter other) => Name == other.Name;

        /// <inheritdoc/>
        public override readonly bool Equals(object? obj) => obj is EntityFilter other && Equals(other);

        /// <inheritdoc/>
        public override readonly int GetHashCode() => Name.GetHashCode(StringComparison.Ordinal);
    }
}
