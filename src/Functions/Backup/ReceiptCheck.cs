using Backup.AgentApi;
using Backup.Functions.Agents;

namespace Backup.Functions.Backups;

/// <summary>Compares an agent's receipt with the order before anything is promised on its word. Pure.</summary>
public static class ReceiptCheck
{
    /// <summary>How far an agent's clock may be ahead: beyond it, recovery points would claim a future.</summary>
    public static readonly TimeSpan ClockSkewMax = SealingLimits.ClockSkewMax;

    /// <summary>Why the receipt makes no recovery point; null when it does.</summary>
    public static JobFailure? Refusal(BackupPlan plan, JobReport report, DateTime now)
    {
        var fault = report switch
        {
            { Backup: null } => "it holds no result",
            { Operation: { } operation } when operation is not Operation.Backup => $"it is of a {operation} job",
            { Backup: { } result } when result.Asset != plan.Task.Asset => $"it names asset {result.Asset}",
            { Backup: { } result } when !string.Equals(result.SourceKind.ToString(), plan.Task.Kind, StringComparison.OrdinalIgnoreCase) => $"it names source kind {result.SourceKind}",
            { Backup.SnapshotId.Length: 0 } or { Backup.VaultId.Length: 0 } => "it names no snapshot",
            { Backup: { } result } when result.EndedAt < result.StartedAt => "it ended before it began",
            { Backup: { } result } when result.EndedAt.UtcDateTime > now + ClockSkewMax => "its moment of consistency lies in the future",
            { Backup: { } result } when result.BytesRead < 0 || result.BytesNew < 0 || result.BytesStored < 0 || result.FilesTotal < 0 || result.FilesUnreadableTotal < 0 => "it counts below zero",
            { Backup: { } result } when (report.State is JobState.Partial) != (result.FilesUnreadableTotal > 0 || (result.HookFailure ?? result.DumpFailure) is not null) => $"it is {report.State} with {result.FilesUnreadableTotal} unreadable files",
            _ => null,
        };
        return fault is null
            ? null
            : new JobFailure(ReasonCodes.ReceiptRefused, $"The agent's receipt does not fit the order: {fault}.", "Check the agent's version and clock. If its snapshot is good, rebuilding the catalog takes it in.");
    }
}
