using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Backup.LocalStack.Comparison;

/// <summary>The outcome of checking every page of a stopped PostgreSQL cluster against its checksum, as <c>pg_checksums --check</c> does.</summary>
/// <remarks>Our own, because the npm package brings only <c>postgres</c>, <c>initdb</c> and <c>pg_ctl</c>.</remarks>
/// <param name="Pages">Pages that hold data and were checked.</param>
/// <param name="Failures">Pages whose content and checksum disagree: file and block; at most 20.</param>
internal sealed partial record PageChecksums(long Pages, IReadOnlyList<string> Failures)
{
    private const int PageBytes = 8192;
    private const int PagesPerSegment = 131_072;
    private const int Lanes = 32;
    private const int ChecksumOffset = 8;
    private const int UpperOffset = 14;
    private const uint Prime = 16_777_619;
    private const int FailuresMax = 20;

    /// <summary>The starting values of the 32 parallel sums (PostgreSQL's storage/checksum_impl.h).</summary>
    private static readonly uint[] Bases =
    [
        0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C,
        0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB,
        0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4,
        0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756,
    ];

    /// <summary>Checks a cluster that was shut down cleanly.</summary>
    public static PageChecksums Check(string dataFolder)
    {
        long pages = 0;
        List<string> failures = [];
        foreach (var file in RelationFiles(dataFolder))
        {
            pages += CheckFile(file, Path.GetRelativePath(dataFolder, file), failures);
            if (failures.Count >= FailuresMax)
            {
                break;
            }
        }

        return new PageChecksums(pages, failures);
    }

    /// <summary>The checksum a page should carry.</summary>
    internal static ushort Of(ReadOnlySpan<byte> page, uint block)
    {
        Span<byte> copy = stackalloc byte[PageBytes];
        page.CopyTo(copy);
        // The field itself counts as zero.
        copy[ChecksumOffset] = copy[ChecksumOffset + 1] = 0;
        Span<uint> sums = stackalloc uint[Lanes];
        Bases.CopyTo(sums);
        var words = MemoryMarshal.Cast<byte, uint>(copy);
        for (var at = 0; at < words.Length; at += Lanes)
        {
            Mix(sums, words.Slice(at, Lanes));
        }

        Span<uint> zeros = stackalloc uint[Lanes];
        zeros.Clear();
        Mix(sums, zeros);
        Mix(sums, zeros);
        var result = block;
        foreach (var sum in sums)
        {
            result ^= sum;
        }

        return (ushort)(result % 65_535 + 1);
    }

    private static void Mix(Span<uint> sums, ReadOnlySpan<uint> values)
    {
        for (var lane = 0; lane < Lanes; lane++)
        {
            var mixed = sums[lane] ^ values[lane];
            sums[lane] = mixed * Prime ^ mixed >> 17;
        }
    }

    private static long CheckFile(string file, string name, List<string> failures)
    {
        var segment = RelationFile().Match(Path.GetFileName(file)).Groups["segment"];
        var first = segment.Success ? uint.Parse(segment.ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture) * PagesPerSegment : 0;
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 1 << 18);
        var page = new byte[PageBytes];
        long pages = 0;
        for (uint block = 0; stream.ReadAtLeast(page, PageBytes, throwOnEndOfStream: false) is var read && read > 0; block++)
        {
            if (read < PageBytes)
            {
                failures.Add($"{name}: ends within block {block}");
                break;
            }

            // A page that was never filled has no checksum.
            if (BinaryPrimitives.ReadUInt16LittleEndian(page.AsSpan(UpperOffset)) == 0)
            {
                continue;
            }

            pages++;
            if (BinaryPrimitives.ReadUInt16LittleEndian(page.AsSpan(ChecksumOffset)) != Of(page, first + block))
            {
                failures.Add($"{name}: block {block}");
            }
        }

        return pages;
    }

    private static IEnumerable<string> RelationFiles(string dataFolder)
    {
        var spaces = Path.Combine(dataFolder, "pg_tblspc");
        IEnumerable<string> roots = [Path.Combine(dataFolder, "base"), Path.Combine(dataFolder, "global"), .. Directory.Exists(spaces) ? Directory.GetDirectories(spaces) : []];
        return roots.Where(Directory.Exists).SelectMany(root => Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories))
            .Where(file => RelationFile().IsMatch(Path.GetFileName(file)) && !file.Contains("/pgsql_tmp/", StringComparison.Ordinal));
    }

    [GeneratedRegex(@"^\d+(_(fsm|vm|init))?(\.(?<segment>\d+))?$")]
    private static partial Regex RelationFile();
}
