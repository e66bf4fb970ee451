using System.Runtime.InteropServices;
using Backup.Sources.Posix;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Restoring;

/// <summary>
/// Some consecutive wants of a batch. Small chunks of a larger file are staged: they come in the order of the packs, and are put together here so that
/// the file is written in long stretches. Each begins at the start of a block, as the file's does. One writer per want; the stretches are written when all have come.
/// </summary>
internal sealed class RestoreSlice
{
    /// <summary>Four slices exist at a time.</summary>
    private const int StagedBytesMax = 12 * 1024 * 1024;

    private const int WantsMax = 16 * 1024;

    /// <summary>Longer chunks are written as they come.</summary>
    private const int StagedChunkBytesMax = 64 * 1024;

    /// <summary>A file of fewer chunks has too little to put together.</summary>
    private const int StagedPartsMin = 8;

    private const int NotStaged = -1;

    private readonly List<int> _places = [];
    private Memory<byte> _staged;
    private int _stagedBytes;

    internal int Start { get; private set; }

    internal int End => Start + _places.Count;

    internal bool HasStaged => _stagedBytes > 0;

    /// <summary>Begins anew with the want <paramref name="start"/>; answers the first that is beyond it.</summary>
    internal int Begin(int start, List<ContentPart> wanted, List<(FileItem Item, long Offset)> places)
    {
        Start = start;
        _places.Clear();
        _stagedBytes = 0;
        for (var want = start; want < wanted.Count && _places.Count < WantsMax; want++)
        {
            var length = (int)wanted[want].Length;
            if (length > StagedChunkBytesMax || places[want].Item.Content.Parts.Length < StagedPartsMin)
            {
                _places.Add(NotStaged);
                continue;
            }

            var (item, offset) = places[want];
            if (want == start || places[want - 1] != (item, offset - wanted[want - 1].Length))
                _stagedBytes = (_stagedBytes + Descriptor.DirectAlignment - 1) / Descriptor.DirectAlignment * Descriptor.DirectAlignment;
            if (_stagedBytes + length > StagedBytesMax)
                break;
            _places.Add(_stagedBytes);
            _stagedBytes += length;
        }

        if (_staged.Length < _stagedBytes)
            Allocate();
        return End;
    }

    internal bool IsStaged(int want) => _places[want - Start] != NotStaged;

    /// <summary>Keeps chunks that begin with a staged want and go on with those after it.</summary>
    internal void Take(int want, ReadOnlySpan<byte> data) => data.CopyTo(_staged.Span[_places[want - Start]..]);

    /// <summary>A want that did not come is not written.</summary>
    internal void Drop(int want) => _places[want - Start] = NotStaged;

    internal ReadOnlySpan<byte> Staged(int want, int length) => _staged.Span.Slice(_places[want - Start], length);

    /// <summary>At the start of a block, and never moved, so that it can be written to the disk directly.</summary>
    private void Allocate()
    {
        var buffer = GC.AllocateUninitializedArray<byte>(StagedBytesMax + Descriptor.DirectAlignment, pinned: true);
        var over = (int)(Marshal.UnsafeAddrOfPinnedArrayElement(buffer, 0) % Descriptor.DirectAlignment);
        _staged = buffer.AsMemory(Descriptor.DirectAlignment - over, StagedBytesMax);
    }
}
