namespace Backup.Agent.Settings;

/// <summary>Something that the agent's owner lets orders have done around a backup, by name only: a command or a statement, never text from an order.</summary>
internal sealed record HookSettings
{
    public const int TimeLimitSecondsDefault = 60;
    public const int TimeLimitSecondsMax = 3600;

    /// <summary>The name orders use.</summary>
    public required string Name { get; init; }

    /// <summary>A program's absolute path and its arguments, run without a shell; empty for a statement.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary>A statement; null for a command.</summary>
    public string? Sql { get; init; }

    /// <summary>Whose server runs the statement, by the name it has under <c>connections</c>.</summary>
    public string? Connection { get; init; }

    /// <summary>The database; null for the connection's own.</summary>
    public string? Database { get; init; }

    /// <summary>How long it may take, in seconds; then it is ended and counts as failed.</summary>
    public int TimeLimitSeconds { get; init; } = TimeLimitSecondsDefault;
}
