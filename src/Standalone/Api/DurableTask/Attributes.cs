namespace Microsoft.DurableTask;

/// <summary>Names a class-based orchestrator or activity.</summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = false, Inherited = false)]
public sealed class DurableTaskAttribute : Attribute
{
    /// <summary>Names the task.</summary>
    /// <param name="name">The name; null: the class's name.</param>
    public DurableTaskAttribute(string? name = null) => Name = string.IsNullOrEmpty(name) ? default : new TaskName(name);

    /// <summary>The task's name; the default name means the class's name.</summary>
    public TaskName Name { get; }

    /// <summary>The version this class implements; null: every version without a class of its own.</summary>
    public string? Version { get; set; }
}

/// <summary>Names the external event whose payload a class or struct is.</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Struct, AllowMultiple = false, Inherited = false)]
public sealed class DurableEventAttribute : Attribute
{
    /// <summary>Names the event.</summary>
    /// <param name="name">The name; null: the type's name.</param>
    public DurableEventAttribute(string? name = null) => Name = string.IsNullOrEmpty(name) ? default : new TaskName(name);

    /// <summary>The event's name; the default name means the type's name.</summary>
    public TaskName Name { get; }
}
