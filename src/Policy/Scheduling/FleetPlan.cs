namespace Backup.Policy.Scheduling;

/// <summary>An asset that should be backed up now.</summary>
/// <param name="Asset">The asset.</param>
/// <param name="RpoShareUsed">Age of its newest recovery point divided by its RPO; infinite when there is none.</param>
/// <param name="Deadline">When the objective breaks, or broke; null when there never was a recovery point.</param>
public sealed record DueAsset(Asset Asset, double RpoShareUsed, DateTimeOffset? Deadline);

/// <summary>What one minute's fleet does.</summary>
/// <param name="Start">Started at once, most urgent first: a lane for each. The members of a group are all here or none is.</param>
/// <param name="Queue">Due as well, in order: each takes a lane of its agent that becomes free within the minute, or is decided anew.</param>
public sealed record FleetPlan(IReadOnlyList<DueAsset> Start, IReadOnlyList<DueAsset> Queue);
