using System.Buffers.Binary;
using System.Text;
using Backup.Sources.Posix;
using Backup.Sources.Postgres;
using CsCheck;
using Shouldly;

namespace Backup.Sources.Tests.Postgres;

public sealed class WalAndPageTests
{
    [Theory]
    [InlineData("0/0", 0UL)]
    [InlineData("16/B374D848", 0x16B374D848UL)]
    [InlineData("FFFFFFFF/FFFFFFFF", ulong.MaxValue)]
    public void Lsn_Spelling_RoundTrips(string text, ulong value)
    {
        Lsn.TryParse(text, out var lsn).ShouldBeTrue();
        lsn.Value.ShouldBe(value);
        lsn.ToString().ShouldBe(text);
    }

    [Theory]
    [InlineData("")]
    [InlineData("16")]
    [InlineData("/1")]
    [InlineData("1/")]
    [InlineData("123456789/0")]
    public void Lsn_Nonsense_IsRefused(string text) => Lsn.TryParse(text, out _).ShouldBeFalse();

    [Fact]
    public void Range_EndOnABoundary_LeavesTheNextSegmentOut() =>
        WalSegment.Range(1, new Lsn(0x1_00FF_FFFF), new Lsn(0x1_0200_0000), 16 << 20).Select(segment => segment.FileName)
            .ShouldBe(["000000010000000100000000", "000000010000000100000001"]);

    [Fact]
    public void FileName_OtherSegmentSizes_CarryIntoTheSecondPart() =>
        new WalSegment(3, 0x1_0000_0000UL / (64 << 20), 64 << 20).FileName.ShouldBe("000000030000000100000000");

    [Fact]
    public void Problem_RecycledSegment_NamesThePositionItReallyHolds()
    {
        var segment = new WalSegment(1, 5, 16 << 20);
        var page = new byte[8192];
        BinaryPrimitives.WriteUInt16LittleEndian(page.AsSpan(2), 2);
        BinaryPrimitives.WriteUInt64LittleEndian(page.AsSpan(8), segment.Start.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(page.AsSpan(24), 77);
        BinaryPrimitives.WriteUInt32LittleEndian(page.AsSpan(32), 16 << 20);
        segment.Problem(page, 77).ShouldBeNull();
        segment.Problem(page, 78).ShouldNotBeNull().ShouldContain("another cluster");
        (segment with { Number = 6 }).Problem(page, 77).ShouldNotBeNull().ShouldContain("0/5000000");
    }

    [Theory]
    [InlineData("16384", true, 16384u, 0u)]
    [InlineData("16384.3", true, 16384u, 3u)]
    [InlineData("16384_fsm", true, 16384u, 0u)]
    [InlineData("16384_vm.12", true, 16384u, 12u)]
    [InlineData("t3_16384", true, 16384u, 0u)]
    [InlineData("PG_VERSION", false, 0u, 0u)]
    [InlineData("16384x", false, 0u, 0u)]
    [InlineData("t_1", false, 0u, 0u)]
    [InlineData("99999999999", false, 0u, 0u)]
    public void RelationFileName_Parse(string name, bool isRelation, uint fileNode, uint segment)
    {
        RelationFileName.TryParse(Encoding.ASCII.GetBytes(name), out var parsed).ShouldBe(isRelation);
        parsed.FileNode.ShouldBe(fileNode);
        parsed.Segment.ShouldBe(segment);
        parsed.IsTemporary.ShouldBe(isRelation && name[0] == 't');
    }

    [Fact]
    public void Rules_UnloggedRelation_KeepsOnlyItsInitFork()
    {
        string[] names = ["100", "100_init", "100_vm", "100.1", "200", "t4_300"];
        var unlogged = ClusterRules.UnloggedRelations(names.Select(name => new DirectoryEntry(Encoding.ASCII.GetBytes(name), FileType.Regular, 1)));
        names.Where(name => RelationFileName.TryParse(Encoding.ASCII.GetBytes(name), out var relation) && !ClusterRules.IsTransient(relation, unlogged))
            .ShouldBe(["100_init", "200"]);
    }

    [Fact]
    public void PageChecksum_ScalarReference_Agrees()
    {
        CsCheck.Gen.Select(CsCheck.Gen.Byte.Array[8192], CsCheck.Gen.UInt).Sample((page, block) =>
            PageChecksum.Compute(page, block).ShouldBe(Reference(page, block)), iter: 50);
    }

    // The definition, one lane and one word at a time.
    private static ushort Reference(byte[] original, uint block)
    {
        var page = original.ToArray();
        page[8] = page[9] = 0;
        uint result = 0;
        for (var lane = 0; lane < 32; lane++)
        {
            var sum = PageChecksum.Seeds[lane];
            for (var row = 0; row < 66; row++)
            {
                var word = row < 64 ? BinaryPrimitives.ReadUInt32LittleEndian(page.AsSpan(((row * 32) + lane) * 4)) : 0;
                var mixed = sum ^ word;
                sum = unchecked(mixed * 16777619) ^ (mixed >> 17);
            }

            result ^= sum;
        }

        return (ushort)(((result ^ block) % 65535) + 1);
    }
}
