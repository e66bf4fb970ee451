using System.Globalization;
using Spectre.Console;

namespace Backup.LocalStack.Run;

/// <summary>The result as a person reads it: what was protected, what it took, whether it comes back, where to look next.</summary>
internal static class ResultPage
{
    public static void Show(IAnsiConsole console, Stack stack, IReadOnlyList<AssetResult> results, TimeSpan total, DateTimeOffset now)
    {
        console.WriteLine();
        console.Write(Assets(results, now));
        console.Write(Restores(results));
        foreach (var difference in results.SelectMany(r => r.Restores.SelectMany(x => x.Verdict.Differences.Select(d => $"{r.Asset.Name} from {x.From}: {d}"))))
        {
            console.MarkupLine($"[red]{Markup.Escape(difference)}[/]");
        }

        foreach (var result in results.Where(r => r.Point is null || r.Run.Reason is not null))
        {
            console.MarkupLine(Markup.Escape($"{result.Asset.Name}: the run {result.Run.State}. {result.Run.Reason?.Text} {result.Run.Reason?.Hint}"));
        }

        var proven = results.Count > 0 && results.All(r => r.IsProven);
        console.WriteLine();
        console.MarkupLine(proven
            ? $"[green]Restore verified: yes[/]  ({results.Sum(r => r.Restores.Count)} restores of {results.Count} assets compared, {Seconds(total)} from start)"
            : $"[red]Restore verified: NO[/]  (see above; {Seconds(total)} from start)");
        console.WriteLine();
        console.Write(Next(stack));
    }

    private static Table Assets(IReadOnlyList<AssetResult> results, DateTimeOffset now)
    {
        var table = NewTable("Protected", "asset", "run", "files", "read", "stored", "off-site", "backup took", "achieved RPO");
        foreach (var r in results)
        {
            table.AddRow(r.Asset.Name, r.Run.State, Count(r.Point?.FilesTotal), Bytes(r.Point?.BytesRead), Bytes(r.Point?.BytesStored),
                r.Point is { Replicas.Count: > 0 } point ? string.Join("\n", point.Replicas.Select(x => $"{x.Tier}: {Bytes(x.BytesCopied)} sent, {Bytes(x.BytesTotal)} there")) : "-",
                r.Run.EndedAt is { } ended ? Seconds(ended - r.Run.OpenedAt) : "-",
                AchievedRpo(r, now));
        }

        return table;
    }

    /// <summary>What would be lost now, and what may be: by the RPO clock where the log is received, else since the newest recovery point.</summary>
    private static string AchievedRpo(AssetResult result, DateTimeOffset now)
    {
        var limit = result.Now?.RpoSeconds is { } seconds ? $" of {Seconds(TimeSpan.FromSeconds(seconds))}" : "";
        return result.Now?.Rpo?.AgeSeconds is { } age ? $"{Seconds(TimeSpan.FromSeconds(age))}{limit}, by its log"
            : result.Point is { } point ? Seconds(now - point.Instant) + limit
            : "-";
    }

    private static Table Restores(IReadOnlyList<AssetResult> results)
    {
        var table = NewTable("Restored and compared", "asset", "from", "took", "verified", "what was compared");
        foreach (var (result, restore) in results.SelectMany(r => r.Restores.Select(x => (r, x))))
        {
            table.AddRow(Markup.Escape(result.Asset.Name), Markup.Escape(restore.From), Seconds(restore.Duration),
                restore.Verdict.IsVerified ? "[green]yes[/]" : "[red]NO[/]", Markup.Escape(restore.Verdict.Proof));
        }

        return table;
    }

    private static Grid Next(Stack stack)
    {
        var key = stack.Secrets.FunctionKey;
        var grid = new Grid().AddColumn().AddColumn();
        grid.AddRow("Ask it:", Markup.Escape($"curl -H \"x-functions-key: $(cat '{key}')\" {stack.FunctionsAddress}api/recovery-points"));
        grid.AddRow("", Markup.Escape($"also api/assets, api/runs, api/restores/ID, api/health; the key is in {key}"));
        grid.AddRow("Restores:", Markup.Escape(stack.Folders.Restores));
        grid.AddRow("Logs:", Markup.Escape(stack.Folders.Logs));
        grid.AddRow("Policy:", Markup.Escape(stack.Settings.Policy));
        return grid;
    }

    private static Table NewTable(string title, params string[] columns) =>
        new Table().Title(title).Border(TableBorder.Rounded).AddColumns(columns);

    private static string Count(long? count) => count?.ToString("N0", CultureInfo.InvariantCulture) ?? "-";

    private static string Bytes(long? bytes) => bytes switch
    {
        null => "-",
        < 100_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e3:N1} kB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:N1} MB"),
    };

    private static string Seconds(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:N1} s");
}
