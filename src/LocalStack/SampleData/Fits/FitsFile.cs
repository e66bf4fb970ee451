using System.Globalization;

namespace Backup.LocalStack.SampleData.Fits;

/// <summary>Writes a FITS file HDU by HDU, each with DATASUM and CHECKSUM cards that verify.</summary>
internal sealed class FitsFile(Stream output)
{
    private const string Unset = "0000000000000000";

    /// <summary>Writes one HDU.</summary>
    /// <param name="header">Its cards without DATASUM, CHECKSUM and END.</param>
    /// <param name="data">Its data, big-endian, without padding.</param>
    public void Write(FitsHeader header, ReadOnlySpan<byte> data)
    {
        var padded = new byte[(data.Length + FitsHeader.BlockBytes - 1) / FitsHeader.BlockBytes * FitsHeader.BlockBytes];
        data.CopyTo(padded);
        var dataSum = FitsChecksum.Sum(padded);
        var blank = WithSums(header, dataSum, Unset);
        var checksum = FitsChecksum.Encode(FitsChecksum.Sum(blank, dataSum));
        output.Write(WithSums(header, dataSum, checksum));
        output.Write(padded);
    }

    private static byte[] WithSums(FitsHeader header, uint dataSum, string checksum) => new FitsHeader()
        .Add(header)
        .Add("CHECKSUM", checksum, "HDU checksum")
        .Add("DATASUM", dataSum.ToString(CultureInfo.InvariantCulture), "data unit checksum")
        .ToBytes();
}
