using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Backup.LocalStack.Tests.SampleData;

/// <summary>One HDU as an independent reader sees it.</summary>
internal sealed record Hdu(IReadOnlyDictionary<string, string> Cards, int HeaderBytes, int DataBytes, uint Sum, uint DataSum)
{
    public long Number(string keyword) => long.Parse(Cards[keyword], CultureInfo.InvariantCulture);
}

/// <summary>Reads FITS strictly: sizes from the header, whole blocks, mandatory keywords in their order, printable ASCII. Shares nothing with the writer.</summary>
internal static class FitsReader
{
    public static List<Hdu> Read(byte[] file)
    {
        List<Hdu> units = [];
        for (var at = 0; at < file.Length;)
        {
            var unit = ReadUnit(file.AsSpan(at), isFirst: units.Count == 0);
            units.Add(unit);
            at += unit.HeaderBytes + unit.DataBytes;
        }

        return units;
    }

    private static Hdu ReadUnit(ReadOnlySpan<byte> file, bool isFirst)
    {
        Dictionary<string, string> cards = [];
        List<string> order = [];
        var at = 0;
        for (; ; at += 80)
        {
            var card = Encoding.ASCII.GetString(file.Slice(at, 80));
            Require(card.All(c => c is >= ' ' and <= '~'), $"card is no printable ASCII: {card}");
            if (card.TrimEnd() == "END")
            {
                break;
            }

            Require(card[8..10] == "= ", $"no value indicator: {card}");
            var keyword = card[..8].TrimEnd();
            order.Add(keyword);
            Require(cards.TryAdd(keyword, Value(card)), $"{keyword} appears twice");
        }

        var headerBytes = (at + 80 + 2879) / 2880 * 2880;
        Require(file[(at + 80)..headerBytes].IndexOfAnyExcept((byte)' ') < 0, "a header is filled with spaces");
        var axes = int.Parse(cards["NAXIS"], CultureInfo.InvariantCulture);
        string[] mandatory = [isFirst ? "SIMPLE" : "XTENSION", "BITPIX", "NAXIS", .. Enumerable.Range(1, axes).Select(i => $"NAXIS{i}"), .. isFirst ? (string[])[] : ["PCOUNT", "GCOUNT"]];
        Require(order.Take(mandatory.Length).SequenceEqual(mandatory), $"mandatory keywords out of order: {string.Join(' ', order)}");
        var elements = axes == 0 ? 0 : Enumerable.Range(1, axes).Aggregate(1L, (n, i) => n * long.Parse(cards[$"NAXIS{i}"], CultureInfo.InvariantCulture));
        var dataLength = (int)(elements * Math.Abs(int.Parse(cards["BITPIX"], CultureInfo.InvariantCulture)) / 8);
        var dataBytes = (dataLength + 2879) / 2880 * 2880;
        Require(file.Length >= headerBytes + dataBytes, "the file ends within a data unit");
        return new Hdu(cards, headerBytes, dataBytes, Sum(file[..(headerBytes + dataBytes)]), Sum(file.Slice(headerBytes, dataBytes)));
    }

    private static string Value(string card)
    {
        if (card[10] != '\'')
        {
            return card[10..].Split('/')[0].Trim();
        }

        var end = card.IndexOf('\'', 11);
        Require(end >= 19, $"a string value is shorter than eight characters: {card}");
        return card[11..end].TrimEnd();
    }

    private static uint Sum(ReadOnlySpan<byte> bytes)
    {
        uint sum = 0;
        for (var at = 0; at < bytes.Length; at += 4)
        {
            var next = sum + BinaryPrimitives.ReadUInt32BigEndian(bytes[at..]);
            sum = next < sum ? next + 1 : next;
        }

        return sum;
    }

    private static void Require(bool condition, string otherwise)
    {
        if (!condition)
        {
            throw new InvalidDataException(otherwise);
        }
    }
}
