using System.Text;
using Backup.Services.Testing;
using Backup.Sources.Files;
using Backup.Sources.Posix;
using Backup.Vault.Chunking;
using CsCheck;
using Shouldly;

namespace Backup.Sources.Tests.Files;

public sealed class FitsLayoutTests : IDisposable
{
    private readonly ScratchFolder _scratch = new("fits");

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void Read_ImageAndTable_GivesElementAndRowWidths()
    {
        byte[] file =
        [
            .. Header("SIMPLE  =                    T", "BITPIX  =                  -32", "NAXIS   =                    2", "NAXIS1  =                  100", "NAXIS2  =                  100"),
            .. Data(100 * 100 * 4),
            .. Header("XTENSION= 'BINTABLE'", "BITPIX  =                    8", "NAXIS   =                    2", "NAXIS1  =                   28", "NAXIS2  =                 1000", "PCOUNT  =                  500", "GCOUNT  =                    1"),
            .. Data(28 * 1000 + 500),
            .. Header("XTENSION= 'IMAGE   '", "BITPIX  =                   64", "NAXIS   =                    1", "NAXIS1  =                 1000", "PCOUNT  =                    0", "GCOUNT  =                    1"),
            .. Data(8000),
        ];
        const long tableStart = 2880 + 40320 + 2880;
        Layout(file).ShouldBe([
            new TypedRegion(2880, 40_000, 4),
            new TypedRegion(tableStart, 28_000, 28),
            new TypedRegion(tableStart + 28_800 + 2880, 8000, 8),
        ]);
    }

    [Fact]
    public void Read_SizeBeyondTheFile_GivesNoRange() =>
        Layout(Header("SIMPLE  =                    T", "BITPIX  =                  -64", "NAXIS   =                    3", "NAXIS1  =           3000000000", "NAXIS2  =           3000000000", "NAXIS3  =           3000000000"))
            .ShouldBeEmpty();

    [Fact]
    public void Read_MutatedHeaders_NeverFailsAndStaysInside()
    {
        var whole = Header("SIMPLE  =                    T", "BITPIX  =                   16", "NAXIS   =                    2", "NAXIS1  =                   90", "NAXIS2  =                   90").Concat(Data(90 * 90 * 2)).ToArray();
        Gen.Select(Gen.Int[30, 500], Gen.Byte).Array[1, 20].Sample(changes =>
        {
            var mutated = whole.ToArray();
            foreach (var (position, value) in changes)
                mutated[position] = value;
            foreach (var range in Layout(mutated))
                (range.Offset + range.Length).ShouldBeLessThanOrEqualTo(mutated.Length);
        }, iter: 300);
    }

    private List<TypedRegion> Layout(byte[] content)
    {
        var path = _scratch.Combine(Guid.NewGuid().ToString("N"));
        File.WriteAllBytes(path, content);
        SafePath.OpenDirectory(_scratch.Path, out var folder).IsError.ShouldBeFalse();
        using (folder)
        {
            folder!.OpenForReading(ByteText.Encode(Path.GetFileName(path)), out var file).IsError.ShouldBeFalse();
            using (file)
                return FitsLayout.Read(file!, content.Length);
        }
    }

    private static byte[] Header(params string[] cards)
    {
        var text = new StringBuilder();
        foreach (var card in cards)
            text.Append(card.PadRight(80));
        text.Append("END".PadRight(80));
        return Encoding.ASCII.GetBytes(text.ToString().PadRight((text.Length + 2879) / 2880 * 2880));
    }

    private static byte[] Data(int bytes) => new byte[(bytes + 2879) / 2880 * 2880];
}
