using System.CommandLine;
using System.Text;
using Backup.Cli.Output;
using Backup.Cli.Vaults;
using Backup.Sources.Posix;
using Backup.Vault;
using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;

namespace Backup.Cli.Snapshots;

/// <summary>One difference between two snapshots.</summary>
internal sealed record ChangeLine(string Path, string? PathBase64, string Change, long? SizeBefore, long? SizeAfter);

/// <summary><c>diff</c>: what changed between two snapshots. Equal subtrees are never read: their ids are equal.</summary>
internal static class DiffCommand
{
    public static Command Create(CliContext context)
    {
        var vault = new VaultArguments();
        var before = new Argument<string>("before") { Description = "The older snapshot: an id or the beginning of one." };
        var after = new Argument<string>("after") { Description = "The newer snapshot: 'latest', an id or the beginning of one.", DefaultValueFactory = _ => "latest" };
        var asset = new Option<string>("--asset") { Description = "The asset whose snapshots are meant.", HelpName = "NAME" };
        return context.Leaf("diff", "Show what changed between two snapshots.", [before, after, .. vault.All, asset], async (invocation, cancel) =>
        {
            var opened = await vault.OpenAsync(invocation, cancel).ConfigureAwait(false);
            var name = invocation.Get(asset);
            var older = await SnapshotArguments.FindAsync(opened, invocation.Require(before), name, cancel).ConfigureAwait(false);
            var newer = await SnapshotArguments.FindAsync(opened, invocation.Require(after), name, cancel).ConfigureAwait(false);
            using var reader = await opened.OpenReaderAsync(cancel).ConfigureAwait(false);
            await new Comparison(invocation, reader).CompareAsync(older.Root, newer.Root, [], cancel).ConfigureAwait(false);
            return ExitCode.Success;
        });
    }

    private sealed class Comparison(Invocation invocation, VaultReader reader)
    {
        public async Task CompareAsync(TreeId? before, TreeId? after, byte[] path, CancellationToken cancel)
        {
            if (before == after)
            {
                return;
            }

            var old = await ReadAsync(before, cancel).ConfigureAwait(false);
            var now = await ReadAsync(after, cancel).ConfigureAwait(false);
            foreach (var name in old.Keys.Union(now.Keys).Order(StringComparer.Ordinal))
            {
                var (was, isNow) = (old.GetValueOrDefault(name), now.GetValueOrDefault(name));
                var at = TreeWalk.Below(path, isNow ?? was!);
                if (Judge(was, isNow) is { } change)
                {
                    Tell(at, new ChangeLine(Encoding.UTF8.GetString(at), EntryText.Base64Of(at), change, was?.Size, isNow?.Size));
                }

                await CompareAsync(was?.Subtree, isNow?.Subtree, at, cancel).ConfigureAwait(false);
            }
        }

        private async Task<Dictionary<string, TreeEntry>> ReadAsync(TreeId? tree, CancellationToken cancel) =>
            tree is { } id
                ? (await reader.ReadTreeAsync(id, cancel).ConfigureAwait(false)).ToDictionary(entry => ByteText.Display(entry.Name.Span), StringComparer.Ordinal)
                : [];

        private static string? Judge(TreeEntry? was, TreeEntry? isNow)
        {
            if (was is null || isNow is null)
            {
                return was is null ? "added" : "removed";
            }

            if (was.Type != isNow.Type)
            {
                return "type";
            }

            var sameContent = (was.Content, isNow.Content) switch
            {
                ({ } a, { } b) => a.SameAs(b),
                (null, null) => true,
                _ => false,
            };
            if (!sameContent || was.Size != isNow.Size || !was.LinkTarget.Span.SequenceEqual(isNow.LinkTarget.Span))
            {
                return "content";
            }

            var sameFacts = was.Mode == isNow.Mode && was.UserId == isNow.UserId && was.GroupId == isNow.GroupId && was.DeviceNumber == isNow.DeviceNumber
                && was.Attributes.Count == isNow.Attributes.Count
                && was.Attributes.Zip(isNow.Attributes).All(pair => pair.First.Name == pair.Second.Name && pair.First.Value.Span.SequenceEqual(pair.Second.Value.Span));
            // A folder's time changes with its content, which is told anyway.
            return sameFacts && (was.ModifiedNanoseconds == isNow.ModifiedNanoseconds || was.Type == EntryType.Directory) ? null : "metadata";
        }

        private void Tell(byte[] path, ChangeLine change)
        {
            if (invocation.IsJson)
            {
                invocation.Out.WriteJson(change, CliJson.Default.ChangeLine);
                return;
            }

            var letter = change.Change switch
            {
                "added" => '+',
                "removed" => '-',
                "content" => 'M',
                "type" => 'T',
                _ => 'm',
            };
            invocation.Out.WriteLine($"{letter} {ByteText.Display(path)}");
        }
    }
}
