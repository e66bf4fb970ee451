using System.Globalization;
using System.Text;

namespace Backup.LocalStack.SampleData.Fits;

/// <summary>The cards of one FITS header (FITS Standard 4.0, section 4).</summary>
internal sealed class FitsHeader
{
    public const int BlockBytes = 2880;
    public const int CardBytes = 80;

    private const int StringLengthMax = 68;

    private readonly List<string> _cards = [];

    public FitsHeader Add(string keyword, bool value, string comment = "") => AddFixed(keyword, value ? "T" : "F", comment);

    public FitsHeader Add(string keyword, long value, string comment = "") => AddFixed(keyword, value.ToString(CultureInfo.InvariantCulture), comment);

    public FitsHeader Add(string keyword, double value, string comment = "") => AddFixed(keyword, value.ToString("0.0##########E+00", CultureInfo.InvariantCulture), comment);

    public FitsHeader Add(string keyword, string value, string comment = "")
    {
        if (value.Length > StringLengthMax)
        {
            throw new ArgumentException($"A FITS string holds at most {StringLengthMax} characters", nameof(value));
        }

        // The closing quote may not come before column 20: short strings are padded to eight characters.
        return AddCard(keyword, $"'{value.Replace("'", "''", StringComparison.Ordinal),-8}'".PadRight(20), comment);
    }

    public FitsHeader Add(FitsHeader other)
    {
        _cards.AddRange(other._cards);
        return this;
    }

    /// <summary>The header with END, filled with spaces to a whole number of blocks.</summary>
    public byte[] ToBytes()
    {
        var length = (_cards.Count + 1) * CardBytes;
        var bytes = new byte[(length + BlockBytes - 1) / BlockBytes * BlockBytes];
        Array.Fill(bytes, (byte)' ');
        var at = 0;
        foreach (var card in _cards.Append("END"))
        {
            Encoding.ASCII.GetBytes(card, bytes.AsSpan(at));
            at += CardBytes;
        }

        return bytes;
    }

    private FitsHeader AddFixed(string keyword, string value, string comment) => AddCard(keyword, value.PadLeft(20), comment);

    private FitsHeader AddCard(string keyword, string value, string comment)
    {
        var card = $"{keyword,-8}= {value}" + (comment.Length > 0 ? $" / {comment}" : string.Empty);
        _cards.Add(card.Length <= CardBytes ? card : card[..CardBytes]);
        return this;
    }
}
