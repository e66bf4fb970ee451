namespace Microsoft.DurableTask;

/// <summary>The name of an orchestrator or an activity. Names compare without regard to case.</summary>
public readonly struct TaskName : IEquatable<TaskName>
{
    private readonly string? _name;

    /// <summary>Names a task.</summary>
    /// <param name="name">The name; null makes the default (empty) name.</param>
    public TaskName(string name) => _name = name;

    /// <summary>The name as it was given, never null.</summary>
    public string Name => _name ?? string.Empty;

    /// <summary>Always empty: versions are carried by <see cref="TaskVersion"/>.</summary>
    public string Version => string.Empty;

    /// <summary>The name as text.</summary>
    public static implicit operator string(TaskName value) => value.Name;

    /// <summary>A name from text; null or empty text makes the default name.</summary>
    public static implicit operator TaskName(string value) => string.IsNullOrEmpty(value) ? default : new TaskName(value);

    /// <summary>Equal without regard to case.</summary>
    public static bool operator ==(TaskName a, TaskName b) => a.Equals(b);

    /// <summary>Different without regard to case.</summary>
    public static bool operator !=(TaskName a, TaskName b) => !a.Equals(b);

    /// <inheritdoc/>
    public bool Equals(TaskName other) => string.Equals(Name, other.Name, StringComparison.OrdinalIgnoreCase);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is TaskName other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => StringComparer.OrdinalIgnoreCase.GetHashCode(Name);

    /// <inheritdoc/>
    public override string ToString() => Name;
}
