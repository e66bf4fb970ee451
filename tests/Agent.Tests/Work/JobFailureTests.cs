using Backup.Agent.Work;
using Backup.AgentApi;
using Backup.Sources;
using Backup.Vault;
using Shouldly;

namespace Backup.Agent.Tests.Work;

public sealed class JobFailureTests
{
    [Theory]
    [InlineData(VaultFault.StoreFull, FailureCode.DiskFull)]
    [InlineData(VaultFault.AccessDenied, FailureCode.AccessDenied)]
    [InlineData(VaultFault.WrongKey, FailureCode.KeyRefused)]
    [InlineData(VaultFault.KeyRole, FailureCode.KeyRefused)]
    [InlineData(VaultFault.BadKeyFile, FailureCode.KeyRefused)]
    [InlineData(VaultFault.Damaged, FailureCode.VaultDamaged)]
    [InlineData(VaultFault.Inconsistent, FailureCode.VaultDamaged)]
    [InlineData(VaultFault.StoreUnavailable, FailureCode.VaultUnavailable)]
    [InlineData(VaultFault.NotAVault, FailureCode.VaultUnavailable)]
    public void Of_VaultFault_IsItsCode(VaultFault fault, FailureCode code)
    {
        JobFailures.Of(fault, JobSide.Vault).ShouldBe(code);
        JobFailures.Of(fault, JobSide.Replica).ShouldBe(code == FailureCode.VaultUnavailable ? FailureCode.ReplicaUnavailable : code);
    }

    [Theory]
    [InlineData(SourcesFault.DiskFull, FailureCode.DiskFull, FailureCode.DiskFull)]
    [InlineData(SourcesFault.PathMissing, FailureCode.SourceMissing, FailureCode.TargetUnusable)]
    [InlineData(SourcesFault.AccessDenied, FailureCode.SourceFailed, FailureCode.TargetUnusable)]
    [InlineData(SourcesFault.ServerUnavailable, FailureCode.SourceUnavailable, FailureCode.SourceUnavailable)]
    [InlineData(SourcesFault.TargetNotEmpty, FailureCode.TargetUnusable, FailureCode.TargetUnusable)]
    [InlineData(SourcesFault.SnapshotUnsuitable, FailureCode.SnapshotMissing, FailureCode.SnapshotMissing)]
    [InlineData(SourcesFault.TargetUnreachable, FailureCode.SnapshotMissing, FailureCode.SnapshotMissing)]
    [InlineData(SourcesFault.DataDamaged, FailureCode.SourceFailed, FailureCode.VaultDamaged)]
    [InlineData(SourcesFault.PatternInvalid, FailureCode.InvalidOrder, FailureCode.InvalidOrder)]
    public void Of_SourcesFault_IsItsCode(SourcesFault fault, FailureCode backup, FailureCode restore)
    {
        JobFailures.Of(fault, isRestore: false).ShouldBe(backup);
        JobFailures.Of(fault, isRestore: true).ShouldBe(restore);
    }

    [Fact]
    public void Of_Exception_KeepsMessageHintAndWhetherItPasses()
    {
        var failure = JobFailures.Of(new VaultException(VaultFault.StoreUnavailable, "The disk sleeps.", "Wake it."), JobSide.Vault, isRestore: false).ShouldNotBeNull();

        (failure.Message, failure.Hint, failure.IsTransient).ShouldBe(("The disk sleeps.", "Wake it.", true));
        JobFailures.Of(new InvalidOperationException(), JobSide.Vault, isRestore: false).ShouldBeNull();
    }
}
