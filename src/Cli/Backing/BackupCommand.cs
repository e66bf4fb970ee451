using System.CommandLine;
using Backup.Cli.Output;
using Backup.Cli.Snapshots;
using Backup.Cli.Vaults;
using Backup.Sources;
using Backup.Sources.Files;
using Backup.Vault.Snapshots;

namespace Backup.Cli.Backing;

/// <summary>A finished backup as machines read it.</summary>
internal sealed record BackupLine(
    string SnapshotId, string Asset, DateTimeOffset StartedAt, DateTimeOffset EndedAt, long BytesTotal, long BytesRead, long BytesNew, long BytesStored,
    long ItemsTotal, long ItemsUnreadable, long ItemsChangedWhileRead, IReadOnlyList<ProblemLine> Problems);

/// <summary><c>backup</c>: puts file trees into the vault as one snapshot. A backup key is enough.</summary>
internal static class BackupCommand
{
    public static Command Create(CliContext context)
    {
        var vault = new VaultArguments();
        var paths = new Argument<string[]>("path") { Description = "Files and folders to back up.", Arity = ArgumentArity.OneOrMore };
        var asset = NameOption.Required("--asset", "The name of what is backed up; snapshots of one asset belong together.");
        var excludes = new Option<string[]>("--exclude", "-e") { Description = "What to leave out, as in gitignore: '*.tmp', '/data/scratch', 'build/output'.", HelpName = "PATTERN" };
        var oneFileSystem = new Option<bool>("--one-file-system", "-x") { Description = "Do not enter other file systems." };
        var keepCaches = new Option<bool>("--keep-cache-directories") { Description = "Also back up folders marked with CACHEDIR.TAG." };
        var tags = TagOption();
        var cache = new Option<string>("--cache-folder") { Description = "Where to remember unchanged files; losing it costs time only.", HelpName = "DIR" };
        var noCache = new Option<bool>("--no-cache") { Description = "Read every file, and remember nothing." };
        return context.Leaf(
            "backup", "Back up files and folders.", [paths, .. vault.All, asset, excludes, oneFileSystem, keepCaches, tags, cache, noCache],
            (invocation, cancel) =>
            {
                var request = new FilesBackupRequest
                {
                    Asset = invocation.Require(asset),
                    Paths = [.. invocation.Require(paths).Select(Path.GetFullPath)],
                    Excludes = invocation.Get(excludes) ?? [],
                    OneFileSystem = invocation.Get(oneFileSystem),
                    SkipCacheDirectories = !invocation.Get(keepCaches),
                    CacheFolder = CacheFolder(invocation, cache, noCache),
                    Tags = ReadTags(invocation, tags),
                    EstimateTotal = invocation.Terminal.ShowsProgress && !invocation.IsQuiet,
                };
                return RunAsync(invocation, vault, request, cancel);
            });
    }

    private static async Task<ExitCode> RunAsync(Invocation invocation, VaultArguments arguments, FilesBackupRequest request, CancellationToken cancel)
    {
        var vault = await arguments.OpenAsync(invocation, cancel).ConfigureAwait(false);
        var outcome = await ProgressView.RunAsync(
            invocation.Terminal, "Backing up", invocation.IsQuiet,
            view => new FilesSource(invocation.Terminal.Time).BackupAsync(vault, request, new WriterOptions(), view.ForTransfer(), cancel)).ConfigureAwait(false);
        return Report(invocation, request.Asset, outcome);
    }

    /// <summary>Tells a finished backup, of whatever source.</summary>
    public static ExitCode Report(Invocation invocation, string asset, BackupOutcome outcome)
    {
        if (invocation.IsJson)
        {
            invocation.Out.WriteJson(
                new BackupLine(
                    outcome.SnapshotId.ToString(), asset, outcome.StartedAt, outcome.EndedAt, outcome.BytesTotal, outcome.Statistics.BytesRead, outcome.Statistics.BytesNew,
                    outcome.Statistics.BytesStored, outcome.ItemsTotal, outcome.ItemsUnreadable, outcome.ItemsChangedWhileRead, ProblemText.Lines(outcome.Problems)),
                CliJson.Default.BackupLine);
        }
        else
        {
            Tell(invocation, outcome);
        }

        return outcome.IsPartial ? ExitCode.Partial : ExitCode.Success;
    }

    private static void Tell(Invocation invocation, BackupOutcome outcome)
    {
        ProblemText.Write(invocation, outcome.Problems);
        var took = outcome.EndedAt - outcome.StartedAt;
        invocation.Out.WriteLine($"Snapshot {outcome.SnapshotId.ToString()[..SnapshotsCommand.IdDigitsShown]}: {Figures.Count(outcome.ItemsTotal, "item")}, {Figures.Bytes(outcome.BytesTotal)}.");
        invocation.Out.WriteLine(
            $"Read {Figures.Bytes(outcome.Statistics.BytesRead)}, new {Figures.Bytes(outcome.Statistics.BytesNew)}, stored {Figures.Bytes(outcome.Statistics.BytesStored)}"
            + $" in {Figures.Duration(took)} ({Figures.Rate(outcome.BytesTotal, took)}).");
        if (outcome.IsPartial)
        {
            invocation.Out.WriteLine($"Partial: {Figures.Count(outcome.ItemsUnreadable, "item")} could not be read.");
        }
    }

    /// <summary>Where caches are kept: where the user says, or else as the XDG base directory specification has it; null for none, and where there is no home.</summary>
    public static string? CacheFolder(Invocation invocation, Option<string> folder, Option<bool> none)
    {
        invocation.RefuseBoth(folder, none);
        if (invocation.Get(none))
        {
            return null;
        }

        if (invocation.Get(folder) is { } named)
        {
            return Path.GetFullPath(named);
        }

        var environment = invocation.Terminal.Environment;
        return environment("XDG_CACHE_HOME") is { Length: > 0 } caches ? Path.Combine(caches, "backupctl")
            : environment("HOME") is { Length: > 0 } home ? Path.Combine(home, ".cache", "backupctl")
            : null;
    }

    public static Option<string[]> TagOption() => new("--tag") { Description = "A tag for the snapshot.", HelpName = "NAME=VALUE" };

    /// <summary>The <c>NAME=VALUE</c> pairs of a <see cref="TagOption"/>.</summary>
    public static Dictionary<string, string> ReadTags(Invocation invocation, Option<string[]> option)
    {
        var read = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var tag in invocation.Get(option) ?? [])
        {
            var parts = tag.Split('=', 2);
            if (parts.Length != 2 || parts[0].Length == 0 || !read.TryAdd(parts[0], parts[1]))
            {
                throw new CliException(CliFault.OptionInvalid, $"'{tag}' is no tag of its own.", "Write --tag NAME=VALUE, each name once.");
            }
        }

        return read;
    }
}
