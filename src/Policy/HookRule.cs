namespace Backup.Policy;

/// <summary>What is done around each backup of an asset. A policy only names hooks; what they are is written in the agent's configuration.</summary>
/// <param name="Before">In order; the first that fails keeps the backup from being made.</param>
/// <param name="After">In order, always.</param>
public sealed record HookRule(IReadOnlyList<string> Before, IReadOnlyList<string> After)
{
    /// <summary>Nothing is done.</summary>
    public static readonly HookRule None = new([], []);
}
