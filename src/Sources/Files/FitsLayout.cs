using System.Buffers.Text;
using Backup.Sources.Posix;
using Backup.Vault.Chunking;

namespace Backup.Sources.Files;

/// <summary>
/// Reads the headers of a FITS file (2,880-byte blocks of 80-byte cards) to learn where its arrays and tables are. Nothing depends on
/// the answer but size: a file that only looks like FITS, or is cut off, gives fewer ranges and no error.
/// </summary>
internal static class FitsLayout
{
    internal const int BlockBytes = 2880;

    /// <summary>Wider table rows than this gain nothing from being sorted by position.</summary>
    private const int ElementBytesMax = 65_535;
    private const int CardBytes = 80;
    private const int HeaderBlocksMax = 512;
    private const int HeaderDataUnitsMax = 1024;

    internal static bool LooksLikeFits(ReadOnlySpan<byte> start) =>
        start.Length >= 30 && start.StartsWith("SIMPLE  ="u8) && start[29] == (byte)'T';

    /// <param name="file">An open file that starts like FITS.</param>
    /// <param name="fileBytes">Its length.</param>
    internal static List<TypedRegion> Read(Descriptor file, long fileBytes)
    {
        var ranges = new List<TypedRegion>();
        var block = new byte[BlockBytes];
        long offset = 0;
        for (var unit = 0; unit < HeaderDataUnitsMax && offset < fileBytes; unit++)
        {
            if (ReadHeader(file, block, ref offset) is not { } header)
                break;
            if (header.MainBytes < 0 || header.MainBytes > fileBytes - offset)
                break;
            if (header.ElementBytes > 1 && header.ElementBytes <= ElementBytesMax && header.MainBytes >= BlockBytes)
                ranges.Add(new TypedRegion(offset, header.MainBytes, header.ElementBytes));
            var dataBytes = header.MainBytes + header.HeapBytes;
            if (header.HeapBytes < 0 || dataBytes > fileBytes - offset)
                break;
            offset += (dataBytes + BlockBytes - 1) / BlockBytes * BlockBytes;
        }

        return ranges;
    }

    private static Header? ReadHeader(Descriptor file, byte[] block, ref long offset)
    {
        var header = new Header();
        for (var blocks = 0; blocks < HeaderBlocksMax; blocks++)
        {
            if (file.ReadFully(block, offset, out var got).IsError || got < BlockBytes)
                return null;
            offset += BlockBytes;
            for (var card = 0; card < BlockBytes; card += CardBytes)
            {
                var text = block.AsSpan(card, CardBytes);
                if (text.StartsWith("END     "u8))
                    return header;
                header.Take(text);
            }
        }

        return null;
    }

    private sealed class Header
    {
        private readonly Dictionary<int, long> _axes = [];
        private int _axisCount;
        private long _bitsPerValue;
        private long _parameters;
        private long _groups = 1;
        private bool _isTable;
        private bool _isRandomGroups;
        private bool _isOther;

        /// <summary>The image, or the rows of the table.</summary>
        internal long MainBytes
        {
            get
            {
                if (_axisCount == 0)
                    return 0;
                var values = 1L;
                for (var axis = _isRandomGroups ? 2 : 1; axis <= _axisCount; axis++)
                {
                    values = Product(values, _axes.GetValueOrDefault(axis));
                }

                if (_isRandomGroups)
                    values = values < 0 ? -1 : Product(_groups, values + _parameters);
                return Product(values, Math.Abs(_bitsPerValue) / 8);
            }
        }

        /// <summary>What follows the rows of a table; often compressed already.</summary>
        internal long HeapBytes => _isTable ? _parameters : 0;

        internal int ElementBytes => _isOther ? 0 : (int)Math.Min(int.MaxValue, _isTable ? _axes.GetValueOrDefault(1) : Math.Abs(_bitsPerValue) / 8);

        internal void Take(ReadOnlySpan<byte> card)
        {
            if (card.StartsWith("XTENSION"u8))
            {
                _isTable = card[10..].StartsWith("'BINTABLE"u8);
                _isOther = !_isTable && !card[10..].StartsWith("'IMAGE"u8);
                return;
            }

            if (card.StartsWith("GROUPS  = "u8))
                _isRandomGroups = card[29] == (byte)'T';
            else if (card.StartsWith("BITPIX  = "u8))
                _bitsPerValue = Number(card);
            else if (card.StartsWith("PCOUNT  = "u8))
                _parameters = Number(card);
            else if (card.StartsWith("GCOUNT  = "u8))
                _groups = Number(card);
            else if (card.StartsWith("NAXIS   = "u8))
                _axisCount = (int)Math.Clamp(Number(card), 0, 999);
            else if (card.StartsWith("NAXIS"u8) && card[8] == (byte)'=' && Utf8Parser.TryParse(card[5..8], out int axis, out _))
                _axes[axis] = Number(card);
        }

        private static long Number(ReadOnlySpan<byte> card) =>
            Utf8Parser.TryParse(card[10..].TrimStart((byte)' '), out long value, out _) ? value : 0;

        // Minus one for what no file can hold; the caller stops there.
        private static long Product(long left, long right) =>
            left < 0 || right < 0 || (left != 0 && right > long.MaxValue / left) ? -1 : left * right;
    }
}
