namespace Backup.Vault.Pruning;

/// <summary>The margins that keep prune and concurrent writers apart.</summary>
public static class PruneSafety
{
    /// <summary>A writer older than this refuses to commit: the grace period below must outlive every writer that read the index before a mark.</summary>
    public static TimeSpan WriterLifetimeMax { get; } = TimeSpan.FromDays(7);

    /// <summary>How long a marked pack stays by default: a writer's lifetime, and as much again for clocks that disagree.</summary>
    public static TimeSpan GraceDefault { get; } = TimeSpan.FromDays(14);
}
