namespace Microsoft.DurableTask;

/// <summary>The version of an orchestration or an activity. Versions compare without regard to case.</summary>
public readonly struct TaskVersion : IEquatable<TaskVersion>
{
    /// <summary>No version, said explicitly: it overrides a configured default version.</summary>
    public static readonly TaskVersion Unversioned = new(string.Empty);

    private readonly string? _version;

    /// <summary>Makes a version; null is the empty version.</summary>
    public TaskVersion(string? version) => _version = version;

    /// <summary>The version as text, never null.</summary>
    public string Version => _version ?? string.Empty;

    /// <summary>The version as text.</summary>
    public static implicit operator string(TaskVersion value) => value.Version;

    /// <summary>A version from text; null is the empty version.</summary>
    public static implicit operator TaskVersion(string? value) => new(value);

    /// <summary>Equal without regard to case.</summary>
    public static bool operator ==(TaskVersion a, TaskVersion b) => a.Equals(b);

    /// <summary>Different without regard to case.</summary>
    public static bool operator !=(TaskVersion a, TaskVersion b) => !a.Equals(b);

    /// <inheritdoc/>
    public bool Equals(TaskVersion other) => string.Equals(Version, other.Version, StringComparison.OrdinalIgnoreCase);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is TaskVersion other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => StringComparer.OrdinalIgnoreCase.GetHashCode(Version);

    /// <inheritdoc/>
    public override string ToString() => Version;
}
