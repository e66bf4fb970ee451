using System.Globalization;
using Backup.LocalStack.Run;
using Backup.LocalStack.Services;

namespace Backup.LocalStack.Comparison;

/// <summary>What comparing one restore with its original showed.</summary>
/// <param name="Proof">What was compared, in words and numbers.</param>
/// <param name="Differences">What does not match; empty for a good restore.</param>
internal sealed record RestoreVerdict(string Proof, IReadOnlyList<string> Differences)
{
    public bool IsVerified => Differences.Count == 0;

    /// <summary>Judges a restored file tree.</summary>
    /// <param name="original">The folder that was backed up.</param>
    /// <param name="restored">Where it came back.</param>
    /// <param name="backupBegan">Set for a folder somebody may be changing: what changed since then is left out.</param>
    public static RestoreVerdict OfTree(string original, string restored, DateTimeOffset? backupBegan)
    {
        if (!Directory.Exists(restored))
        {
            return new RestoreVerdict("nothing", [$"{restored} was not restored"]);
        }

        var result = TreeComparison.Of(original, restored, backupBegan, compareOwners: Native.IsRoot);
        var changed = result.ChangedSince > 0 ? string.Create(CultureInfo.InvariantCulture, $", {result.ChangedSince:N0} changed since and left out") : string.Empty;
        return new RestoreVerdict(
            string.Create(CultureInfo.InvariantCulture, $"{result.Entries:N0} entries, {result.Bytes / 1e6:N0} MB bit for bit, with metadata{changed}"), result.Differences);
    }

    /// <summary>Judges a restored database by the record of its proof: the agent has started it in isolation and checked it.</summary>
    public static RestoreVerdict OfProof(RestoreInfo restore)
    {
        if (restore.Proof is not { } proof || restore.Rto is not { } rto)
        {
            return new RestoreVerdict("nothing", [restore.Reason?.Text ?? "the restore holds no record of a proof"]);
        }

        string[] parts =
        [
            string.Create(CultureInfo.InvariantCulture, $"consistent after {rto.SecondsToConsistent:N1} s, checked after {rto.SecondsToChecked:N1} s"),
            string.Create(CultureInfo.InvariantCulture, $"{proof.TablesEqual:N0} tables with {proof.RowsCompared:N0} rows as recorded ({proof.TablesSampled:N0} in parts, {proof.TablesChanged:N0} changed since)"),
            proof.IndexesChecked is { } indexes ? string.Create(CultureInfo.InvariantCulture, $"{indexes:N0} B-trees") : "no B-trees",
            string.Create(CultureInfo.InvariantCulture, $"{proof.PagesChecked ?? 0:N0} page checksums"),
            string.Create(CultureInfo.InvariantCulture, $"{proof.Checks.Count(c => c.Passed)} of {proof.Checks.Count} checks"),
        ];
        return new RestoreVerdict(string.Join(", ", parts), proof.IsProven ? [] : [.. proof.Findings.Select(f => $"{f.Step}: {f.Text}")]);
    }
}
