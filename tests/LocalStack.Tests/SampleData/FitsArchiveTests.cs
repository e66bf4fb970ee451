using System.Globalization;
using Backup.LocalStack.SampleData;
using Backup.LocalStack.SampleData.Fits;
using Backup.Services.Testing;
using Shouldly;

namespace Backup.LocalStack.Tests.SampleData;

public sealed class FitsArchiveTests
{
    [Fact]
    public void Create_EveryFile_IsValidFitsWhoseChecksumsVerify()
    {
        using var scratch = new ScratchFolder("fits");
        FitsArchive.Create(scratch.Path);

        var units = Directory.EnumerateFiles(scratch.Path, "*.fits", SearchOption.AllDirectories).SelectMany(f => FitsReader.Read(File.ReadAllBytes(f))).ToList();

        units.ShouldAllBe(u => u.Sum == 0xFFFFFFFF);
        units.ShouldAllBe(u => u.DataSum == uint.Parse(u.Cards["DATASUM"], CultureInfo.InvariantCulture));
        units.Select(u => u.Number("BITPIX")).Distinct().Order().ShouldBe([-64, -32, 8, 16]);
        units.Count(u => u.Cards.GetValueOrDefault("XTENSION") == "BINTABLE").ShouldBe(2);
    }

    [Fact]
    public void Create_Twice_GivesTheSameBytes()
    {
        using var scratch = new ScratchFolder("fits");
        FitsArchive.Create(scratch.Combine("a"));
        FitsArchive.Create(scratch.Combine("b"));
        foreach (var file in Directory.EnumerateFiles(scratch.Combine("a"), "*", SearchOption.AllDirectories))
        {
            File.ReadAllBytes(file).AsSpan().SequenceEqual(File.ReadAllBytes(file.Replace("/a/", "/b/", StringComparison.Ordinal))).ShouldBeTrue(file);
        }
    }

    [Fact]
    public void Checksum_OneBitOfDataFlipped_NoLongerVerifies()
    {
        using var stream = new MemoryStream();
        new FitsFile(stream).Write(new FitsHeader().Add("SIMPLE", true).Add("BITPIX", 8).Add("NAXIS", 1).Add("NAXIS1", 5), [1, 2, 3, 4, 5]);
        var bytes = stream.ToArray();
        FitsReader.Read(bytes).Single().Sum.ShouldBe(0xFFFFFFFF);
        bytes[2880 + 2] ^= 1;
        FitsReader.Read(bytes).Single().Sum.ShouldNotBe(0xFFFFFFFF);
    }

    [Theory]
    // The worked example of the FITS Standard 4.0, appendix J.
    [InlineData(868229149u, "hcHjjc9ghcEghc9g")]
    public void Encode_ExampleOfTheStandard_GivesItsText(uint sum, string expected) => FitsChecksum.Encode(sum).ShouldBe(expected);
}
