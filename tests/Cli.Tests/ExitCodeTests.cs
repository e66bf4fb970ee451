using Backup.AgentApi;
using Backup.Cli.Output;
using Backup.Sources;
using Backup.Vault;
using Shouldly;

namespace Backup.Cli.Tests;

public sealed class ExitCodeTests
{
    [Fact]
    public void Numbers_AreThoseScriptsRelyOn() =>
        Enum.GetValues<ExitCode>().Select(code => ((int)code, ErrorText.NameOf(code))).ShouldBe(
        [
            (0, "success"), (1, "failed"), (2, "usage"), (3, "partial"), (4, "findings"), (10, "no-vault"), (11, "conflict"), (12, "wrong-key"), (13, "key-role"),
            (14, "access-denied"), (15, "not-found"), (16, "damaged"), (17, "disk-full"), (18, "newer-format"), (19, "unavailable"), (20, "target-not-empty"), (130, "interrupted"), (141, "output-closed"), (200, "recovery-must-stop"),
        ]);

    [Fact]
    public void Of_EveryVaultFault_IsThisTable() => Enum.GetValues<VaultFault>().ToDictionary(f => f, ExitCodes.Of).ShouldBe(new Dictionary<VaultFault, ExitCode>
    {
        [VaultFault.StoreUnavailable] = ExitCode.Unavailable,
        [VaultFault.StoreFull] = ExitCode.DiskFull,
        [VaultFault.AccessDenied] = ExitCode.AccessDenied,
        [VaultFault.NotFound] = ExitCode.NotFound,
        [VaultFault.NotAVault] = ExitCode.NoVault,
        [VaultFault.AlreadyExists] = ExitCode.Conflict,
        [VaultFault.Damaged] = ExitCode.Damaged,
        [VaultFault.NewerFormat] = ExitCode.NewerFormat,
        [VaultFault.WrongKey] = ExitCode.WrongKey,
        [VaultFault.KeyRole] = ExitCode.KeyRole,
        [VaultFault.BadKeyFile] = ExitCode.WrongKey,
        [VaultFault.Inconsistent] = ExitCode.Damaged,
        [VaultFault.WriterExpired] = ExitCode.Unavailable,
        [VaultFault.Conflict] = ExitCode.Conflict,
        [VaultFault.LimitExceeded] = ExitCode.Failed,
    }, ignoreOrder: true);

    [Fact]
    public void Of_EverySourcesFault_IsThisTable() => Enum.GetValues<SourcesFault>().ToDictionary(f => f, ExitCodes.Of).ShouldBe(new Dictionary<SourcesFault, ExitCode>
    {
        [SourcesFault.PathMissing] = ExitCode.NotFound,
        [SourcesFault.AccessDenied] = ExitCode.AccessDenied,
        [SourcesFault.DiskFull] = ExitCode.DiskFull,
        [SourcesFault.InputOutput] = ExitCode.Failed,
        [SourcesFault.TargetNotEmpty] = ExitCode.TargetNotEmpty,
        [SourcesFault.SnapshotUnsuitable] = ExitCode.Failed,
        [SourcesFault.PatternInvalid] = ExitCode.Usage,
        [SourcesFault.ServerUnavailable] = ExitCode.Unavailable,
        [SourcesFault.ServerUnsuitable] = ExitCode.Failed,
        [SourcesFault.WalMissing] = ExitCode.Unavailable,
        [SourcesFault.DataDamaged] = ExitCode.Damaged,
        [SourcesFault.WrongCluster] = ExitCode.Conflict,
        [SourcesFault.WalConflict] = ExitCode.Conflict,
        [SourcesFault.WalNotHeld] = ExitCode.NotFound,
        [SourcesFault.TargetUnreachable] = ExitCode.NotFound,
        [SourcesFault.RestoreRefused] = ExitCode.Failed,
    }, ignoreOrder: true);

    [Fact]
    public void Of_OtherExceptions_IsTheirMeaning()
    {
        ExitCodes.Of(new OperationCanceledException()).ShouldBe(ExitCode.Interrupted);
        ExitCodes.Of(new CliException(CliFault.KeyMissing, "", "")).ShouldBe(ExitCode.Usage);
        ExitCodes.Of(new CliException(CliFault.SnapshotMissing, "", "")).ShouldBe(ExitCode.NotFound);
        ExitCodes.Of(new AgentApiException(AgentApiFault.IdentityUnusable, "", "")).ShouldBe(ExitCode.WrongKey);
        ExitCodes.Of(new ArgumentException("")).ShouldBe(ExitCode.Usage);
        ExitCodes.Of(new IOException("", StandardOutput.BrokenPipe)).ShouldBe(ExitCode.OutputClosed);
        ExitCodes.Of(new IOException("", StandardOutput.NoSpace)).ShouldBe(ExitCode.DiskFull);
        ExitCodes.Of(new UnauthorizedAccessException()).ShouldBe(ExitCode.AccessDenied);
        ExitCodes.Of(new FileNotFoundException()).ShouldBe(ExitCode.NotFound);
        ExitCodes.Of(new InvalidOperationException()).ShouldBe(ExitCode.Failed);
    }
}
