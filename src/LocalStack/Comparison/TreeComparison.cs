namespace Backup.LocalStack.Comparison;

/// <summary>The outcome of comparing a restored tree with its original, bit for bit and with all metadata.</summary>
/// <param name="Entries">Entries compared.</param>
/// <param name="Bytes">Bytes of file content compared.</param>
/// <param name="ChangedSince">Entries of the original that were changed after the backup began, and therefore prove nothing.</param>
/// <param name="Differences">What differs, in words; at most <see cref="DifferencesMax"/>.</param>
internal sealed record TreeComparison(int Entries, long Bytes, int ChangedSince, IReadOnlyList<string> Differences)
{
    /// <summary>A comparison stops counting here: nobody reads more.</summary>
    public const int DifferencesMax = 20;

    private const int BufferBytes = 1 << 20;

    /// <summary>Compares two trees.</summary>
    /// <param name="original">What was backed up.</param>
    /// <param name="restored">What came back.</param>
    /// <param name="backupBegan">Entries changed at or after this instant are set aside; none when not set.</param>
    /// <param name="compareOwners">Whether owners must match: only root can restore them.</param>
    public static TreeComparison Of(string original, string restored, DateTimeOffset? backupBegan, bool compareOwners)
    {
        var (left, right) = (RawTree.Read(original), RawTree.Read(restored));
        List<string> differences = [];
        long bytes = 0;
        var changed = 0;
        var since = backupBegan?.ToUnixTimeSeconds() ?? long.MaxValue;
        foreach (var (name, entry) in left)
        {
            if (entry.ChangedSeconds >= since)
            {
                changed++;
            }
            else if (!right.TryGetValue(name, out var copy))
            {
                differences.Add($"{RawEntry.Readable(name)}: is missing");
            }
            else
            {
                differences.AddRange(MetadataDifferences(original, restored, entry, copy, compareOwners).Select(d => $"{RawEntry.Readable(name)}: {d}"));
                if (entry.Kind == EntryKind.File && copy.Kind == EntryKind.File && entry.Size == copy.Size)
                {
                    bytes += entry.Size;
                    if (!HaveSameContent(original, restored, name))
                    {
                        differences.Add($"{RawEntry.Readable(name)}: content differs");
                    }
                }
            }

            if (differences.Count >= DifferencesMax)
            {
                break;
            }
        }

        if (backupBegan is null)
        {
            differences.AddRange(right.Keys.Where(name => !left.ContainsKey(name)).Select(name => $"{RawEntry.Readable(name)}: was never there"));
            differences.AddRange(LinkGroups(left).Except(LinkGroups(right)).Select(group => $"{RawEntry.Readable(group)}: are no longer one file"));
        }

        return new TreeComparison(left.Count, bytes, changed, [.. differences.Take(DifferencesMax)]);
    }

    private static IEnumerable<string> MetadataDifferences(string original, string restored, RawEntry left, RawEntry right, bool compareOwners)
    {
        if (left.Kind != right.Kind)
        {
            yield return $"was a {left.Kind}, is a {right.Kind}";
            yield break;
        }

        if (left.Kind != EntryKind.Link && left.Mode != right.Mode)
        {
            yield return $"mode {Convert.ToString(left.Mode, 8)} became {Convert.ToString(right.Mode, 8)}";
        }

        if (compareOwners && (left.User, left.Group) != (right.User, right.Group))
        {
            yield return $"owner {left.User}:{left.Group} became {right.User}:{right.Group}";
        }

        if (left.Modified != right.Modified)
        {
            yield return $"time of change {left.Modified.Seconds}.{left.Modified.Nanoseconds:D9} became {right.Modified.Seconds}.{right.Modified.Nanoseconds:D9}";
        }

        if (left.Kind == EntryKind.File && left.Size != right.Size)
        {
            yield return $"size {left.Size} became {right.Size}";
        }

        if (left.Kind == EntryKind.File && left.AllocatedBytes < left.Size / 2 && right.AllocatedBytes > left.Size / 2)
        {
            yield return $"was sparse ({left.AllocatedBytes} of {left.Size} bytes on disk), takes {right.AllocatedBytes} now";
        }

        if (left.Kind is EntryKind.CharacterDevice or EntryKind.BlockDevice && left.DeviceNumber != right.DeviceNumber)
        {
            yield return "is another device";
        }

        if (left.Kind == EntryKind.Link && RawTree.LinkTarget(original, left.Name) != RawTree.LinkTarget(restored, right.Name))
        {
            yield return "points elsewhere";
        }

        if (!RawTree.Attributes(original, left.Name).SequenceEqual(RawTree.Attributes(restored, right.Name)))
        {
            yield return "extended attributes differ";
        }
    }

    private static IEnumerable<string> LinkGroups(Dictionary<string, RawEntry> entries) => entries.Values
        .Where(e => e.Kind != EntryKind.Folder && e.Links > 1)
        .GroupBy(e => e.Identity, e => e.Name)
        .Where(group => group.Skip(1).Any())
        .Select(group => string.Join(" = ", group.Order(StringComparer.Ordinal)));

    private static bool HaveSameContent(string original, string restored, string name)
    {
        using var left = RawTree.Open(original, name);
        using var right = RawTree.Open(restored, name);
        var (a, b) = (new byte[BufferBytes], new byte[BufferBytes]);
        while (true)
        {
            var read = left.ReadAtLeast(a, a.Length, throwOnEndOfStream: false);
            if (right.ReadAtLeast(b, b.Length, throwOnEndOfStream: false) != read || !a.AsSpan(0, read).SequenceEqual(b.AsSpan(0, read)))
            {
                return false;
            }

            if (read == 0)
            {
                return true;
            }
        }
    }
}
