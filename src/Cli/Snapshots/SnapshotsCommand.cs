using System.CommandLine;
using Backup.Cli.Output;
using Backup.Cli.Vaults;
using Backup.Vault.Snapshots;

namespace Backup.Cli.Snapshots;

/// <summary>A snapshot as machines read it.</summary>
internal sealed record SnapshotLine(
    string Id, string Asset, string SourceKind, DateTimeOffset StartedAt, DateTimeOffset ConsistentAt, DateTimeOffset CommittedAt,
    long ItemsTotal, long ItemsUnreadable, long BytesRead, long BytesNew, long BytesStored, string? Parent, IReadOnlyDictionary<string, string> Tags)
{
    public static SnapshotLine Of(SnapshotInfo s) => new(
        s.Id.ToString(), s.Asset, s.SourceKind, s.StartedAt, s.ConsistentAt, s.CommittedAt,
        s.ItemsTotal, s.ItemsUnreadable, s.Statistics.BytesRead, s.Statistics.BytesNew, s.Statistics.BytesStored, s.Parent?.ToString(), s.Tags);
}

/// <summary><c>snapshots</c>: what the vault holds. A backup key is enough.</summary>
internal static class SnapshotsCommand
{
    /// <summary>Digits of an id shown to people: enough to tell a million snapshots apart.</summary>
    public const int IdDigitsShown = 12;

    public static Command Create(CliContext context)
    {
        var vault = new VaultArguments();
        var asset = new Option<string>("--asset") { Description = "Only this asset's.", HelpName = "NAME" };
        return context.Leaf("snapshots", "List the vault's snapshots, oldest first.", [.. vault.All, asset], async (invocation, cancel) =>
        {
            var opened = await vault.OpenAsync(invocation, cancel).ConfigureAwait(false);
            var name = invocation.Get(asset);
            Tell(invocation, [.. (await opened.ListSnapshotsAsync(cancel).ConfigureAwait(false)).Where(s => name is null || s.Asset == name)]);
            return ExitCode.Success;
        });
    }

    private static void Tell(Invocation invocation, IReadOnlyList<SnapshotInfo> snapshots)
    {
        if (invocation.IsJson)
        {
            foreach (var snapshot in snapshots)
            {
                invocation.Out.WriteJson(SnapshotLine.Of(snapshot), CliJson.Default.SnapshotLine);
            }

            return;
        }

        var table = new TextTable("ID", "CONSISTENT AT", "ASSET", "KIND", "ITEMS", "READ", "NEW", "STATE").Right(4, 5, 6);
        foreach (var s in snapshots)
        {
            table.Add(
                s.Id.ToString()[..IdDigitsShown], Figures.Instant(s.ConsistentAt), s.Asset, s.SourceKind, Figures.Count(s.ItemsTotal),
                Figures.Bytes(s.Statistics.BytesRead), Figures.Bytes(s.Statistics.BytesNew), s.ItemsUnreadable == 0 ? "complete" : $"partial ({s.ItemsUnreadable} unreadable)");
        }

        table.WriteTo(invocation.Out);
    }
}
