using System.CommandLine;
using System.Text;
using Backup.Cli.Vaults;
using Backup.Sources.Posix;
using Backup.Vault;
using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;

namespace Backup.Cli.Snapshots;

/// <summary>Which snapshot of which vault: the same on every command that looks into one.</summary>
internal sealed class SnapshotArguments
{
    public VaultArguments Vault { get; } = new();

    public Option<string> Snapshot { get; } = new("--snapshot")
    {
        Description = "'latest', an id, or the beginning of one.",
        HelpName = "ID",
        DefaultValueFactory = _ => "latest",
    };

    public Option<string> Asset { get; } = new("--asset") { Description = "The asset whose snapshot is meant.", HelpName = "NAME" };

    public IEnumerable<Symbol> All => [.. Vault.All, Snapshot, Asset];

    public async Task<OpenSnapshot> OpenAsync(Invocation invocation, CancellationToken cancel)
    {
        var vault = await Vault.OpenAsync(invocation, cancel).ConfigureAwait(false);
        var found = await FindAsync(vault, invocation.Require(Snapshot), invocation.Get(Asset), cancel).ConfigureAwait(false);
        return new OpenSnapshot(vault, found, await vault.OpenReaderAsync(cancel).ConfigureAwait(false));
    }

    /// <summary>Finds a snapshot as people name it; the root comes with it only under a restore key.</summary>
    public static async Task<SnapshotInfo> FindAsync(OpenVault vault, string text, string? asset, CancellationToken cancel)
    {
        try
        {
            return await vault.FindSnapshotAsync(text, asset, cancel).ConfigureAwait(false);
        }
        catch (ArgumentException e)
        {
            throw new CliException(CliFault.OptionInvalid, $"'{text}' names no snapshot.", "Give 'latest' or at least four digits of an id; 'backupctl snapshots' lists them.", e);
        }
    }
}

/// <summary>A snapshot that can be read.</summary>
internal sealed record OpenSnapshot(OpenVault Vault, SnapshotInfo Info, VaultReader Reader) : IDisposable
{
    public TreeId Root => Info.Root ?? throw new VaultException(VaultFault.KeyRole, "A backup key cannot look into snapshots.", "Use a restore key.");

    public void Dispose() => Reader.Dispose();
}

/// <summary>One entry and its path within the snapshot.</summary>
/// <param name="Path">Absolute.</param>
/// <param name="Entry">What the tree says.</param>
internal readonly record struct PathEntry(byte[] Path, TreeEntry Entry);

/// <summary>Walks snapshots' trees.</summary>
internal static class TreeWalk
{
    public static byte[] Below(byte[] folder, TreeEntry entry) => [.. folder, (byte)'/', .. entry.Name.Span];

    /// <summary>Everything below a tree, parents before children, in byte order.</summary>
    public static async IAsyncEnumerable<PathEntry> BelowAsync(
        VaultReader reader, TreeId tree, byte[] path, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel)
    {
        var pending = new Stack<PathEntry>();
        await PushAsync(tree, path).ConfigureAwait(false);
        while (pending.TryPop(out var next))
        {
            yield return next;
            if (next.Entry.Subtree is { } subtree)
            {
                await PushAsync(subtree, next.Path).ConfigureAwait(false);
            }
        }

        async Task PushAsync(TreeId folder, byte[] below)
        {
            foreach (var entry in (await reader.ReadTreeAsync(folder, cancel).ConfigureAwait(false)).Reverse())
            {
                pending.Push(new PathEntry(Below(below, entry), entry));
            }
        }
    }

    /// <summary>The entry at a path, or null; the root of the snapshot has none. Names may be given as they are or as listings show them (<c>\xNN</c>).</summary>
    public static async Task<PathEntry?> FindAsync(VaultReader reader, TreeId root, string path, CancellationToken cancel)
    {
        PathEntry? found = null;
        TreeId? folder = root;
        foreach (var part in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            if (folder is not { } tree || (await reader.ReadTreeAsync(tree, cancel).ConfigureAwait(false)).FirstOrDefault(entry => IsNamed(entry, part)) is not { } next)
            {
                return null;
            }

            found = new PathEntry(Below(found?.Path ?? [], next), next);
            folder = next.Subtree;
        }

        return found;
    }

    private static bool IsNamed(TreeEntry entry, string text) => entry.Name.Span.SequenceEqual(Encoding.UTF8.GetBytes(text)) || ByteText.Display(entry.Name.Span) == text;

    public static VaultException NoSuchPath(string path, SnapshotInfo snapshot) => new(
        VaultFault.NotFound, $"Snapshot {snapshot.Id.ToString()[..SnapshotsCommand.IdDigitsShown]} holds no {path}.", "'backupctl ls' shows what it holds; paths begin at the root.");
}
