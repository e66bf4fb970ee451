using System.CommandLine;
using System.IO.Enumeration;
using System.Text;
using Backup.Cli.Output;
using Backup.Sources.Posix;
using Backup.Vault.Snapshots;

namespace Backup.Cli.Snapshots;

/// <summary><c>ls</c>, <c>find</c> and <c>cat</c>: looking into one snapshot.</summary>
internal static class BrowseCommands
{
    public static Command Ls(CliContext context)
    {
        var snapshot = new SnapshotArguments();
        var path = new Argument<string>("path") { Description = "Where to look; the root if absent.", DefaultValueFactory = _ => "/" };
        var recursive = new Option<bool>("--recursive", "-r") { Description = "Also what lies below." };
        return context.Leaf("ls", "List what a snapshot holds.", [path, .. snapshot.All, recursive], async (invocation, cancel) =>
        {
            using var open = await snapshot.OpenAsync(invocation, cancel).ConfigureAwait(false);
            await foreach (var at in ListAsync(open, invocation.Require(path), invocation.Get(recursive), cancel).ConfigureAwait(false))
            {
                Tell(invocation, open.Info, at);
            }

            return ExitCode.Success;
        });
    }

    public static Command Find(CliContext context)
    {
        var snapshot = new SnapshotArguments();
        var pattern = new Argument<string>("pattern") { Description = "A name or path with * and ?, for example '*.fits' or '/data/*/calib'." };
        var everywhere = new Option<bool>("--all-snapshots") { Description = "Search every snapshot (of the asset, if one is given), oldest first." };
        return context.Leaf("find", "Find files in a snapshot by name.", [pattern, .. snapshot.All, everywhere], async (invocation, cancel) =>
        {
            invocation.RefuseBoth(everywhere, snapshot.Snapshot);
            var found = 0;
            await foreach (var open in OpenAllAsync(invocation, snapshot, invocation.Get(everywhere), cancel).ConfigureAwait(false))
            {
                await foreach (var at in TreeWalk.BelowAsync(open.Reader, open.Root, [], cancel).ConfigureAwait(false))
                {
                    if (Fits(invocation.Require(pattern), at))
                    {
                        found++;
                        Tell(invocation, open.Info, at, invocation.Get(everywhere) ? $"{open.Info.Id.ToString()[..SnapshotsCommand.IdDigitsShown]}  " : "");
                    }
                }
            }

            return found > 0
                ? ExitCode.Success
                : throw new CliException(CliFault.NotFound, $"Nothing fits '{invocation.Require(pattern)}'.", "A pattern with a slash is about whole paths, one without about names; 'backupctl ls -r' lists all there is.");
        });
    }

    public static Command Cat(CliContext context)
    {
        var snapshot = new SnapshotArguments();
        var path = new Argument<string>("path") { Description = "The file." };
        return context.Leaf("cat", "Write a file of a snapshot to standard output.", [path, .. snapshot.All], async (invocation, cancel) =>
        {
            using var open = await snapshot.OpenAsync(invocation, cancel).ConfigureAwait(false);
            var wanted = invocation.Require(path);
            if (wanted.Trim('/').Length == 0)
            {
                throw NoContent(wanted, EntryType.Directory);
            }

            var (_, entry) = await TreeWalk.FindAsync(open.Reader, open.Root, wanted, cancel).ConfigureAwait(false) ?? throw TreeWalk.NoSuchPath(wanted, open.Info);
            if (entry.Content is not { } content)
            {
                throw NoContent(wanted, entry.Type);
            }

            var source = await open.Reader.OpenContentAsync(content, cancel).ConfigureAwait(false);
            await using var _ = source.ConfigureAwait(false);
            var output = invocation.Terminal.OpenRawOut();
            await using var __ = output.ConfigureAwait(false);
            await CopyAsync(source, output, entry, cancel).ConfigureAwait(false);
            return ExitCode.Success;
        });
    }

    private static async IAsyncEnumerable<PathEntry> ListAsync(
        OpenSnapshot open, string path, bool isRecursive, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel)
    {
        var (folder, above) = (open.Root, Array.Empty<byte>());
        if (path.Trim('/').Length > 0)
        {
            var found = await TreeWalk.FindAsync(open.Reader, open.Root, path, cancel).ConfigureAwait(false) ?? throw TreeWalk.NoSuchPath(path, open.Info);
            if (found.Entry.Subtree is not { } subtree)
            {
                yield return found;
                yield break;
            }

            (folder, above) = (subtree, found.Path);
        }

        if (isRecursive)
        {
            await foreach (var at in TreeWalk.BelowAsync(open.Reader, folder, above, cancel).ConfigureAwait(false))
            {
                yield return at;
            }
        }
        else
        {
            foreach (var entry in await open.Reader.ReadTreeAsync(folder, cancel).ConfigureAwait(false))
            {
                yield return new PathEntry(TreeWalk.Below(above, entry), entry);
            }
        }
    }

    private static async IAsyncEnumerable<OpenSnapshot> OpenAllAsync(
        Invocation invocation, SnapshotArguments arguments, bool isEvery, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel)
    {
        using var first = await arguments.OpenAsync(invocation, cancel).ConfigureAwait(false);
        if (!isEvery)
        {
            yield return first;
            yield break;
        }

        var asset = invocation.Get(arguments.Asset);
        foreach (var info in (await first.Vault.ListSnapshotsAsync(cancel).ConfigureAwait(false)).Where(s => asset is null || s.Asset == asset))
        {
            yield return first with { Info = info };
        }
    }

    private static CliException NoContent(string path, EntryType type) =>
        new(CliFault.OptionInvalid, $"{path} is a {EntryText.TypeOf(type)} without readable content.", "Give the path of a file.");

    // A pattern with a slash is about the whole path, one without about the name, as people expect from gitignore. Either is meant as it is, or as listings show it.
    private static bool Fits(string pattern, PathEntry at)
    {
        var name = pattern.Contains('/', StringComparison.Ordinal) ? at.Path : at.Entry.Name.Span;
        return FileSystemName.MatchesSimpleExpression(pattern, Encoding.UTF8.GetString(name), ignoreCase: false)
            || FileSystemName.MatchesSimpleExpression(pattern.Replace("\\", "\\\\", StringComparison.Ordinal), ByteText.Display(name), ignoreCase: false);
    }

    private static void Tell(Invocation invocation, SnapshotInfo snapshot, PathEntry at, string before = "")
    {
        if (invocation.IsJson)
        {
            invocation.Out.WriteJson(EntryLine.Of(snapshot.Id, at), CliJson.Default.EntryLine);
        }
        else
        {
            invocation.Out.WriteLine(before + EntryText.Line(at));
        }
    }

    /// <summary>Content, with the holes of sparse files written as the zeros they read as.</summary>
    private static async Task CopyAsync(Stream source, Stream output, TreeEntry entry, CancellationToken cancel)
    {
        if (entry.Extents is not { } extents)
        {
            await source.CopyToAsync(output, cancel).ConfigureAwait(false);
            return;
        }

        var buffer = new byte[1 << 16];
        var position = 0L;
        foreach (var extent in extents)
        {
            await WriteZerosAsync(extent.Offset - position).ConfigureAwait(false);
            for (var left = extent.Length; left > 0;)
            {
                var part = buffer.AsMemory(0, (int)Math.Min(left, buffer.Length));
                await source.ReadExactlyAsync(part, cancel).ConfigureAwait(false);
                await output.WriteAsync(part, cancel).ConfigureAwait(false);
                left -= part.Length;
            }

            position = extent.Offset + extent.Length;
        }

        await WriteZerosAsync(entry.Size - position).ConfigureAwait(false);

        async Task WriteZerosAsync(long count)
        {
            var zeros = new byte[Math.Min(count, 1 << 16)];
            for (; count > 0; count -= zeros.Length)
            {
                await output.WriteAsync(zeros.AsMemory(0, (int)Math.Min(count, zeros.Length)), cancel).ConfigureAwait(false);
            }
        }
    }
}
