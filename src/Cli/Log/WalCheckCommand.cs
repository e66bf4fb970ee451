using System.CommandLine;
using Backup.Cli.Backing;
using Backup.Cli.Output;
using Backup.Cli.Snapshots;
using Backup.Cli.Vaults;
using Backup.Sources.Postgres.Wal;
using Backup.Vault;

namespace Backup.Cli.Log;

/// <summary>A restorable range as machines read it.</summary>
internal sealed record WalRangeLine(
    string BaseBackup, bool Restorable, uint Timeline, string From, string To, DateTimeOffset FromTime, DateTimeOffset? FirstCommit, DateTimeOffset? LastCommit, long Commits, long Records,
    IReadOnlyList<RestorePointLine> RestorePoints, string? Gap);

/// <summary>A restore point as machines read it.</summary>
internal sealed record RestorePointLine(string Name, string At, DateTimeOffset? Time);

/// <summary><c>wal check</c>: reads all log behind base backups and says exactly what can be restored.</summary>
internal static class WalCheckCommand
{
    private const int RestorePointsShown = 20;

    public static Command Create(CliContext context)
    {
        var vault = new VaultArguments();
        var asset = ClusterOptions.Asset();
        var snapshot = new Option<string>("--base-backup") { Description = "Only this base backup: an id, the beginning of one, or 'latest'.", HelpName = "ID" };
        return context.Leaf("check", "Read the log behind the base backups and say exactly what can be restored.", [.. vault.All, asset, snapshot], async (invocation, cancel) =>
        {
            var opened = await vault.OpenAsync(invocation, cancel).ConfigureAwait(false);
            SnapshotId? only = invocation.Get(snapshot) is { } text ? (await SnapshotArguments.FindAsync(opened, text, invocation.Require(asset), cancel).ConfigureAwait(false)).Id : null;
            var ranges = await WalCheck.RunAsync(opened, invocation.Require(asset), only, cancel).ConfigureAwait(false);
            foreach (var range in ranges)
            {
                if (invocation.IsJson)
                {
                    invocation.Out.WriteJson(
                        new WalRangeLine(
                            range.BaseBackup.ToString(), range.IsRestorable, range.Timeline, range.From.ToString(), range.To.ToString(), range.FromTime, range.FirstCommit, range.LastCommit,
                            range.Commits, range.Records, [.. range.RestorePoints.Select(point => new RestorePointLine(point.Name, point.At.ToString(), point.Time))], range.Gap),
                        CliJson.Default.WalRangeLine);
                }
                else
                {
                    Tell(invocation, range);
                }
            }

            return ranges.All(range => range.Gap is null && range.IsRestorable) ? ExitCode.Success : ExitCode.Findings;
        });
    }

    private static void Tell(Invocation invocation, RestorableRange range)
    {
        invocation.Out.WriteLine($"Base backup {range.BaseBackup.ToString()[..SnapshotsCommand.IdDigitsShown]} of {Figures.Instant(range.FromTime)}");
        invocation.Out.WriteLine(range.IsRestorable
            ? $"  restorable from {range.From} to {range.To} on timeline {range.Timeline}; {Figures.Count(range.Records, "record")}, {Figures.Count(range.Commits, "commit")}"
            : $"  cannot be restored: its log ends at {range.To}, before {range.From}");
        if (range is { FirstCommit: { } first, LastCommit: { } last })
        {
            invocation.Out.WriteLine($"  commits from {Figures.Instant(first)} to {Figures.Instant(last)}");
        }

        foreach (var point in range.RestorePoints.Take(RestorePointsShown))
        {
            invocation.Out.WriteLine($"  restore point \"{point.Name}\" at {point.At}{(point.Time is { } time ? $", {Figures.Instant(time)}" : "")}");
        }

        if (range.RestorePoints.Count > RestorePointsShown)
        {
            invocation.Out.WriteLine($"  and {Figures.Count(range.RestorePoints.Count - RestorePointsShown, "more restore point")} (--json lists all)");
        }

        if (range.Gap is { } gap)
        {
            invocation.Out.WriteLine($"  GAP: {gap}");
        }
    }
}
