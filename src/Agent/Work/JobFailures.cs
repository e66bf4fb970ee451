using Backup.AgentApi;
using Backup.Sources;
using Backup.Vault;

namespace Backup.Agent.Work;

/// <summary>Which part of a job met a failure: the same fault means different things in different places.</summary>
internal enum JobSide
{
    /// <summary>The agent's own vault.</summary>
    Vault,

    /// <summary>A replica in blob storage.</summary>
    Replica,
}

/// <summary>The one table from faults to the codes of reports.</summary>
internal static class JobFailures
{
    /// <summary>What the report says, or null for what nobody expected.</summary>
    /// <param name="failure">What was thrown.</param>
    /// <param name="side">Whose store a vault exception speaks about.</param>
    /// <param name="isRestore">Whether file system faults concern a restore's target and not a source.</param>
    public static Failure? Of(Exception failure, JobSide side, bool isRestore) => failure switch
    {
        AgentException { Failure: { } known } => known,
        VaultException e => Make(Of(e.Fault, side), e.Message, e.IsTransient),
        SourcesException e => Make(Of(e.Fault, isRestore), e.Message, e.IsTransient),
        _ => null,
    };

    public static FailureCode Of(VaultFault fault, JobSide side) => fault switch
    {
        VaultFault.StoreFull => FailureCode.DiskFull,
        VaultFault.AccessDenied => FailureCode.AccessDenied,
        VaultFault.NotFound or VaultFault.Damaged or VaultFault.Inconsistent => FailureCode.VaultDamaged,
        VaultFault.WrongKey or VaultFault.KeyRole or VaultFault.BadKeyFile => FailureCode.KeyRefused,
        VaultFault.LimitExceeded => FailureCode.SourceFailed,
        _ => side == JobSide.Replica ? FailureCode.ReplicaUnavailable : FailureCode.VaultUnavailable,
    };

    public static FailureCode Of(SourcesFault fault, bool isRestore) => fault switch
    {
        SourcesFault.DiskFull => FailureCode.DiskFull,
        SourcesFault.PatternInvalid => FailureCode.InvalidOrder,
        SourcesFault.SnapshotUnsuitable or SourcesFault.TargetUnreachable => FailureCode.SnapshotMissing,
        SourcesFault.TargetNotEmpty => FailureCode.TargetUnusable,
        SourcesFault.DataDamaged => isRestore ? FailureCode.VaultDamaged : FailureCode.SourceFailed,
        SourcesFault.PathMissing => isRestore ? FailureCode.TargetUnusable : FailureCode.SourceMissing,
        SourcesFault.ServerUnavailable => FailureCode.SourceUnavailable,
        _ => isRestore ? FailureCode.TargetUnusable : FailureCode.SourceFailed,
    };

    /// <summary>The failure, with a sentence about what the job leaves behind; the same when that is nothing.</summary>
    public static Failure Leaving(this Failure failure, string? left) => left is null ? failure : failure with { Message = $"{failure.Message} {left}" };

    // Our exceptions end their message with a line that begins "Hint: ".
    private static Failure Make(FailureCode code, string text, bool isTransient)
    {
        var parts = text.Split("\nHint: ", 2);
        return new Failure { Code = code, Message = parts[0], Hint = parts.Length == 2 ? parts[1] : "", IsTransient = isTransient };
    }
}
