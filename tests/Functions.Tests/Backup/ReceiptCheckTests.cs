using Backup.AgentApi;
using Backup.Functions.Agents;
using Backup.Functions.Backups;
using Backup.Functions.Tests.Scripted;
using Shouldly;

namespace Backup.Functions.Tests.Backups;

public sealed class ReceiptCheckTests
{
    private static readonly DateTime Now = new(2026, 5, 4, 12, 0, 0, DateTimeKind.Utc);

    private static readonly BackupPlan Plan = new()
    {
        Run = "r",
        Agent = "a",
        Task = new BackupTask { Run = "r", Asset = "config", Kind = "files", Vault = "main" },
        Places = [],
        Patience = new JobPatience(),
    };

    public static TheoryData<string, JobReport> Unfit => new()
    {
        { "holds no result", Sound with { Backup = null } },
        { "is of a Restore job", Sound with { Operation = Operation.Restore } },
        { "names asset other", Sound with { Backup = Sound.Backup! with { Asset = "other" } } },
        { "names source kind Postgres", Sound with { Backup = Sound.Backup with { SourceKind = SourceKind.Postgres } } },
        { "names no snapshot", Sound with { Backup = Sound.Backup with { SnapshotId = "" } } },
        { "names no snapshot", Sound with { Backup = Sound.Backup with { VaultId = "" } } },
        { "ended before it began", Sound with { Backup = Sound.Backup with { StartedAt = Now.AddSeconds(1) } } },
        { "lies in the future", Sound with { Backup = Sound.Backup with { EndedAt = Now.AddMinutes(11) } } },
        { "counts below zero", Sound with { Backup = Sound.Backup with { BytesNew = -1 } } },
        { "Succeeded with 1 unreadable", Sound with { Backup = Sound.Backup with { FilesUnreadableTotal = 1 } } },
        { "Partial with 0 unreadable", Sound with { State = JobState.Partial } },
    };

    private static JobReport Sound
    {
        get
        {
            var report = ScriptedAgent.Succeed(OrderId.Parse("x"), new BackupOrder { RunId = "r", Asset = "config", SourceKind = SourceKind.Files, Vault = "main" });
            return report with { Backup = report.Backup! with { StartedAt = Now.AddMinutes(-5), EndedAt = Now } };
        }
    }

    [Fact]
    public void Refusal_SoundReceipt_IsNone() => ReceiptCheck.Refusal(Plan, Sound, Now).ShouldBeNull();

    [Theory]
    [MemberData(nameof(Unfit))]
    public void Refusal_UnfitReceipt_SaysWhy(string why, JobReport report)
    {
        var refusal = ReceiptCheck.Refusal(Plan, report, Now).ShouldNotBeNull();
        (refusal.Code, refusal.Text.Contains(why, StringComparison.Ordinal)).ShouldBe((ReasonCodes.ReceiptRefused, true), refusal.Text);
    }
}
