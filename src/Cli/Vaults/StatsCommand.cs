using System.CommandLine;
using Backup.Cli.Output;
using Backup.Vault;

namespace Backup.Cli.Vaults;

/// <summary>One asset's part of a vault.</summary>
internal sealed record AssetLine(string Asset, int Snapshots, long LatestBytes, long BytesStored, double? BytesStoredPerDay);

/// <summary>Measures of a vault.</summary>
internal sealed record StatsLine(
    string VaultId, int Snapshots, int Packs, long Chunks, long BytesProtected, long BytesUnique, long BytesStored, double DeduplicationRatio, double CompressionRatio,
    long IndexBytesInMemory, IReadOnlyList<AssetLine> Assets);

/// <summary><c>vault stats</c>: sizes, ratios and growth. A backup key is enough.</summary>
internal static class StatsCommand
{
    public static Command Create(CliContext context)
    {
        var vault = new VaultArguments();
        return context.Leaf("stats", "Show sizes, deduplication, compression and growth.", vault.All, async (invocation, cancel) =>
        {
            var opened = await vault.OpenAsync(invocation, cancel).ConfigureAwait(false);
            Tell(invocation, opened.Id, await VaultStatistics.MeasureAsync(opened, cancel).ConfigureAwait(false));
            return ExitCode.Success;
        });
    }

    private static void Tell(Invocation invocation, VaultId id, VaultStatistics s)
    {
        if (invocation.IsJson)
        {
            invocation.Out.WriteJson(
                new StatsLine(
                    id.ToString(), s.Snapshots, s.Packs, s.Chunks, s.BytesProtected, s.BytesUnique, s.BytesStored, s.DeduplicationRatio, s.CompressionRatio, s.IndexBytesInMemory,
                    [.. s.Assets.Select(a => new AssetLine(a.Asset, a.Snapshots, a.LatestBytes, a.BytesStored, a.BytesStoredPerDay))]),
                CliJson.Default.StatsLine);
            return;
        }

        invocation.Out.WriteLine($"Vault {id}: {Figures.Count(s.Snapshots, "snapshot")}, {Figures.Count(s.Packs, "pack")}, {Figures.Count(s.Chunks, "chunk")}.");
        invocation.Out.WriteLine($"Protected {Figures.Bytes(s.BytesProtected)}, distinct {Figures.Bytes(s.BytesUnique)} (deduplication {Figures.Ratio(s.DeduplicationRatio)}),"
            + $" stored {Figures.Bytes(s.BytesStored)} (compression {Figures.Ratio(s.CompressionRatio)}).");
        if (s.Assets.Count == 0)
        {
            return;
        }

        invocation.Out.WriteLine();
        var table = new TextTable("ASSET", "SNAPSHOTS", "LATEST", "STORED", "PER DAY").Right(1, 2, 3, 4);
        foreach (var a in s.Assets)
        {
            table.Add(a.Asset, Figures.Count(a.Snapshots), Figures.Bytes(a.LatestBytes), Figures.Bytes(a.BytesStored), a.BytesStoredPerDay is { } rate ? Figures.Bytes((long)rate) : "-");
        }

        table.WriteTo(invocation.Out);
    }
}
