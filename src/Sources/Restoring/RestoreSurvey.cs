using Backup.Sources.Files;
using Backup.Sources.Patterns;
using Backup.Sources.Posix;
using Backup.Vault;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;

namespace Backup.Sources.Restoring;

/// <summary>What a restore would read.</summary>
/// <param name="Files">Files it would bring back.</param>
/// <param name="Bytes">Their content's bytes; names of one file count once each.</param>
/// <param name="Packs">Different data packs, in the order in which they are first read.</param>
public sealed record SurveyOutcome(long Files, long Bytes, IReadOnlyList<ObjectName> Packs);

/// <summary>Finds the packs that a restore needs, by the tree alone: before a pack in an archive is paid for.</summary>
public static class RestoreSurvey
{
    /// <summary>Walks the snapshot's tree in the order of a restore.</summary>
    /// <param name="vault">Opened with a restore key.</param>
    /// <param name="snapshot">Of whatever kind.</param>
    /// <param name="include">As a restore of files takes them; empty for everything.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="SourcesException">PatternInvalid.</exception>
    /// <exception cref="VaultException">The vault cannot be read.</exception>
    public static async Task<SurveyOutcome> RunAsync(OpenVault vault, SnapshotId snapshot, IReadOnlyList<string> include, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(vault);
        var info = await vault.ReadSnapshotAsync(snapshot, cancel);
        var rules = new IncludeRules(include, FilesRestore.PathsOf(info));
        using var reader = await vault.OpenReaderAsync(cancel);
        var packs = new List<ObjectName>();
        var known = new HashSet<ObjectName>();
        long files = 0, bytes = 0;
        var open = new Stack<(TreeId Tree, byte[] Path, bool IsIncluded)>();
        open.Push((info.Root!.Value, "/"u8.ToArray(), rules.Includes("/"u8, true, false)));
        while (open.TryPop(out var directory))
        {
            cancel.ThrowIfCancellationRequested();
            var below = new List<(TreeId, byte[], bool)>();
            foreach (var entry in await reader.ReadTreeAsync(directory.Tree, cancel))
            {
                var path = ByteText.Join(directory.Path, entry.Name.Span);
                var isIncluded = rules.Includes(path, entry.Type == EntryType.Directory, directory.IsIncluded);
                if (entry.Subtree is { } subtree && (isIncluded || rules.MayIncludeBelow(path)))
                    below.Add((subtree, path, isIncluded));
                if (!isIncluded || entry.Content is not { } stored)
                    continue;
                var content = await reader.ExpandAsync(stored, cancel);
                files++;
                bytes += content.Length;
                packs.AddRange(reader.PacksOf(content.Parts).Where(known.Add));
            }

            // Last in, first out: the first folder is walked first, as a restore does.
            below.Reverse();
            below.ForEach(open.Push);
        }

        return new SurveyOutcome(files, bytes, packs);
    }
}
