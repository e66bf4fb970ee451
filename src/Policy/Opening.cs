namespace Backup.Policy;

/// <summary>A time in which backups may start.</summary>
/// <param name="Opens">Inclusive.</param>
/// <param name="Closes">Exclusive.</param>
public readonly record struct Opening(DateTimeOffset Opens, DateTimeOffset Closes);
