namespace Backup.Policy;

/// <summary>A logical dump beside each physical backup.</summary>
/// <param name="Databases">Which databases; empty for all.</param>
public sealed record DumpRule(IReadOnlyList<string> Databases);
