using System.Buffers.Binary;
using System.Text;

namespace Backup.LocalStack.SampleData.Fits;

/// <summary>The checksum of FITS Standard 4.0, section 4.4.2.7 and appendix J: a ones' complement sum, written in ASCII so that the HDU sums to -0.</summary>
internal static class FitsChecksum
{
    /// <summary>Adds big-endian 32-bit words to a running ones' complement sum.</summary>
    /// <param name="words">A whole number of words.</param>
    /// <param name="sum">The sum so far.</param>
    public static uint Sum(ReadOnlySpan<byte> words, uint sum = 0)
    {
        ulong total = sum;
        for (var at = 0; at < words.Length; at += 4)
        {
            total += BinaryPrimitives.ReadUInt32BigEndian(words[at..]);
        }

        while (total >> 32 != 0)
        {
            total = (total & 0xFFFFFFFF) + (total >> 32);
        }

        return (uint)total;
    }

    /// <summary>The 16 characters that, put into the CHECKSUM card instead of sixteen zeros, complement the sum.</summary>
    public static string Encode(uint sum)
    {
        var complement = ~sum;
        Span<byte> ascii = stackalloc byte[16];
        Span<byte> four = stackalloc byte[4];
        for (var i = 0; i < 4; i++)
        {
            var value = (byte)(complement >> (8 * (3 - i)));
            four.Fill((byte)(value / 4 + '0'));
            four[0] += (byte)(value % 4);
            KeepAlphanumeric(four);
            for (var j = 0; j < 4; j++)
            {
                // The value starts one byte off a word boundary in its card, hence the rotation by one.
                ascii[(4 * j + i + 1) % 16] = four[j];
            }
        }

        return Encoding.ASCII.GetString(ascii);
    }

    /// <summary>Moves punctuation out of the encoding, pairwise so that the sum stays.</summary>
    private static void KeepAlphanumeric(Span<byte> four)
    {
        for (var changed = true; changed;)
        {
            changed = false;
            for (var j = 0; j < 4; j += 2)
            {
                if (IsPunctuation(four[j]) || IsPunctuation(four[j + 1]))
                {
                    four[j]++;
                    four[j + 1]--;
                    changed = true;
                }
            }
        }
    }

    private static bool IsPunctuation(byte value) => value is (>= 0x3A and <= 0x40) or (>= 0x5B and <= 0x60);
}
