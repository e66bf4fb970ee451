using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Backup.Vault.Format;
using Backup.Vault.Storage;

namespace Backup.Vault.Indexing;

/// <summary>Where a chunk is stored.</summary>
internal readonly record struct ChunkLocation(int Pack, uint FrameOffset, uint FrameStoredBytes, uint FrameOrdinal, uint OffsetInFrame, uint Length);

/// <summary>
/// Every chunk of the vault in memory. Built for size: per chunk a 44-byte record in segments that never move, and 4-byte slots
/// of an open-addressing table filled to at most 4/5, per frame 4 bytes, per pack about 80.
/// </summary>
/// <remarks>
/// Thread-safe: one lock, held for a lookup's nanoseconds. A pack that prune has marked, or that the store does not have as it is listed, counts as
/// absent: writers store its chunks anew, and readers take another place of a chunk where there is one.
/// The file is long because it is one table: every method is about the same four arrays under the same lock, and calls between classes would cost at each chunk.
/// </remarks>
internal sealed class ChunkIndex
{
    private const int SegmentBits = 14, SegmentLength = 1 << SegmentBits, PackSegmentBits = 8, PackSegmentLength = 1 << PackSegmentBits;
    private const uint PendingFrame = uint.MaxValue;
    private readonly Lock _lock = new();
    private readonly List<Record[]> _records = [];
    private readonly List<uint[]> _frameOffsets = [];
    private readonly List<PackRecord[]> _packs = [];
    private uint[] _slots = new uint[1024], _packSlots = new uint[64];
    private uint _recordCount, _frameCount;
    private int _packCount;
    private bool _isAnyLost;

    [StructLayout(LayoutKind.Sequential, Pack = 4)]
    private struct Record
    {
        internal ContentHash Id;
        internal uint Frame, Offset, Length;
    }

    private struct PackRecord
    {
        internal ObjectName Name;
        internal uint StoredBytes, FirstFrame;
        internal long PlainBytes;
        internal bool IsAbsent, IsLost, IsRelied;
    }

    internal int PackCount
    {
        get { lock (_lock) return _packCount; }
    }

    internal long ChunkCount => Volatile.Read(ref _recordCount);

    /// <summary>Bytes held by the tables.</summary>
    internal long BytesHeld
    {
        get
        {
            lock (_lock)
                return ((long)_records.Count * SegmentLength * 44) + ((long)_frameOffsets.Count * SegmentLength * 4) + ((_slots.Length + _packSlots.Length) * 4L) + ((long)_packs.Count * PackSegmentLength * Unsafe.SizeOf<PackRecord>());
        }
    }

    /// <summary>Adds a stored pack. A pack that is already there is left alone. The first place of a chunk counts unless its pack counts as absent.</summary>
    internal void AddPack(IndexedPack pack, bool isAbsent)
    {
        lock (_lock)
        {
            if (!TryAppendPack(pack, isAbsent)) return;
            uint offset = PackHeader.Length;
            var chunk = 0;
            for (var frame = 0; frame < pack.Frames.FrameStoredBytes.Count; frame++)
            {
                AppendFrame(offset);
                uint inFrame = 0;
                for (var end = chunk + pack.Frames.FrameChunks[frame]; chunk < end; chunk++)
                {
                    var listed = pack.Frames.Chunks[chunk];
                    Place(listed.Id.Hash, _frameCount - 1, inFrame, listed.Length, isAbsent);
                    inFrame += listed.Length;
                }

                offset += pack.Frames.FrameStoredBytes[frame];
            }

            // A sentinel ends the last frame, so that every frame's length is the distance to the next offset.
            AppendFrame(offset);
        }
    }

    /// <summary>Claims a chunk for storing. False when it is stored or claimed already; then its pack is noted as relied upon.</summary>
    internal bool TryClaim(ChunkId id, uint length)
    {
        lock (_lock)
        {
            var slot = Find(id.Hash);
            if (_slots[slot] == 0)
            {
                Append(slot, new Record { Id = id.Hash, Frame = PendingFrame, Length = length });
                return true;
            }

            ref var record = ref RecordAt(_slots[slot] - 1);
            if (record.Frame == PendingFrame) return false;
            ref var pack = ref PackAt(PackOf(record.Frame));
            if (pack.IsAbsent)
            {
                record.Frame = PendingFrame;
                return true;
            }

            pack.IsRelied = true;
            return false;
        }
    }

    /// <summary>Whether a writer may refer to this chunk without storing it; if so its pack is noted as relied upon.</summary>
    internal bool Rely(ChunkId id, long length)
    {
        lock (_lock)
        {
            var slot = Find(id.Hash);
            if (_slots[slot] == 0) return false;
            ref var record = ref RecordAt(_slots[slot] - 1);
            if (record.Length != length) return false;
            if (record.Frame == PendingFrame) return true;
            ref var pack = ref PackAt(PackOf(record.Frame));
            if (pack.IsAbsent) return false;
            pack.IsRelied = true;
            return true;
        }
    }

    /// <summary>The packs that this process referred to without having written them.</summary>
    internal List<ObjectName> ReliedPacks()
    {
        lock (_lock) return [.. Enumerable.Range(0, _packCount).Where(n => PackAt(n).IsRelied).Select(n => PackAt(n).Name)];
    }

    internal bool TryLocate(ChunkId id, out ChunkLocation location)
    {
        lock (_lock)
        {
            var slot = Find(id.Hash);
            location = default;
            if (_slots[slot] == 0) return false;
            ref var record = ref RecordAt(_slots[slot] - 1);
            if (record.Frame == PendingFrame) return false;
            var number = PackOf(record.Frame);
            var offset = FrameOffsetAt(record.Frame);
            location = new ChunkLocation(number, offset, FrameOffsetAt(record.Frame + 1) - offset, record.Frame - PackAt(number).FirstFrame, record.Offset, record.Length);
            return true;
        }
    }

    /// <summary>Whether the chunk is stored or claimed.</summary>
    internal bool Contains(ChunkId id)
    {
        lock (_lock) return _slots[Find(id.Hash)] != 0;
    }

    internal ObjectName PackName(int number)
    {
        lock (_lock) return PackAt(number).Name;
    }

    /// <summary>From now on no set takes chunks whose place is in one of these packs: they are missing or damaged.</summary>
    internal void Lose(IEnumerable<ObjectName> packs)
    {
        lock (_lock)
        {
            foreach (var pack in packs)
            {
                if (_packSlots[FindPack(pack)] is not (> 0 and var number)) continue;
                PackAt((int)number - 1).IsLost = _isAnyLost = true;
            }
        }
    }

    /// <summary>Notes a chunk in a set of record numbers. Null when the chunk is unknown, lost or not stored; otherwise whether it was new to the set.</summary>
    internal bool? Include(ChunkId id, long? lengthExpected, ChunkSet set)
    {
        lock (_lock)
        {
            var slot = Find(id.Hash);
            if (_slots[slot] == 0) return null;
            ref var record = ref RecordAt(_slots[slot] - 1);
            if (record.Frame == PendingFrame || (lengthExpected is { } length && record.Length != length)) return null;
            if (_isAnyLost && PackAt(PackOf(record.Frame)).IsLost) return null;
            return set.Add(_slots[slot] - 1);
        }
    }

    /// <summary>For every pack: its name and size, the plain bytes it holds, and how many of them are in the set.</summary>
    internal List<PackUse> MeasureUse(ChunkSet live)
    {
        lock (_lock)
        {
            var liveBytes = new long[_packCount];
            var liveChunks = new int[_packCount];
            for (uint number = 0; number < _recordCount; number++)
            {
                ref var record = ref RecordAt(number);
                if (record.Frame == PendingFrame || !live.Contains(number)) continue;
                var pack = PackOf(record.Frame);
                liveBytes[pack] += record.Length;
                liveChunks[pack]++;
            }

            return [.. Enumerable.Range(0, _packCount).Select(n => new PackUse(PackAt(n).Name, PackAt(n).StoredBytes, PackAt(n).PlainBytes, liveBytes[n], liveChunks[n]))];
        }
    }

    /// <summary>Whether a chunk is in the set and its place is this very one (other packs may hold it too).</summary>
    internal bool IsLiveAt(ChunkId id, ObjectName pack, int frameOrdinal, uint offset, ChunkSet live)
    {
        lock (_lock)
        {
            var slot = Find(id.Hash);
            if (_slots[slot] == 0 || !live.Contains(_slots[slot] - 1)) return false;
            ref var record = ref RecordAt(_slots[slot] - 1);
            if (record.Frame == PendingFrame || record.Offset != offset) return false;
            ref var place = ref PackAt(PackOf(record.Frame));
            return place.Name == pack && record.Frame - place.FirstFrame == frameOrdinal;
        }
    }

    /// <summary>Plain bytes of all stored chunks, each counted once.</summary>
    internal long PlainBytes()
    {
        lock (_lock)
        {
            long total = 0;
            for (uint number = 0; number < _recordCount; number++) total += RecordAt(number).Length;
            return total;
        }
    }

    private void Place(ContentHash id, uint frame, uint offset, uint length, bool isAbsent)
    {
        var slot = Find(id);
        if (_slots[slot] == 0)
        {
            Append(slot, new Record { Id = id, Frame = frame, Offset = offset, Length = length });
            return;
        }

        ref var record = ref RecordAt(_slots[slot] - 1);
        if (isAbsent || (record.Frame != PendingFrame && !PackAt(PackOf(record.Frame)).IsAbsent)) return;
        record.Frame = frame;
        record.Offset = offset;
        record.Length = length;
    }

    /// <summary>The slot that holds the id, or the empty slot where it belongs.</summary>
    private uint Find(ContentHash id)
    {
        var mask = (uint)_slots.Length - 1;
        for (var slot = (uint)id.Prefix & mask; ; slot = (slot + 1) & mask)
        {
            var number = _slots[slot];
            if (number == 0 || RecordAt(number - 1).Id == id) return slot;
        }
    }

    private void Append(uint slot, Record record)
    {
        if ((_recordCount & (SegmentLength - 1)) == 0) _records.Add(new Record[SegmentLength]);
        RecordAt(_recordCount) = record;
        _slots[slot] = ++_recordCount;
        if (_recordCount > (uint)(_slots.Length / 5L * 4)) Grow();
    }

    private void Grow()
    {
        // The old table goes first: only one of them is alive at a time.
        var length = _slots.Length * 2;
        _slots = [];
        _slots = new uint[length];
        var mask = (uint)length - 1;
        for (uint number = 0; number < _recordCount; number++)
        {
            var slot = (uint)RecordAt(number).Id.Prefix & mask;
            while (_slots[slot] != 0) slot = (slot + 1) & mask;
            _slots[slot] = number + 1;
        }
    }

    private void AppendFrame(uint offset)
    {
        if ((_frameCount & (SegmentLength - 1)) == 0) _frameOffsets.Add(new uint[SegmentLength]);
        _frameOffsets[(int)(_frameCount >> SegmentBits)][_frameCount & (SegmentLength - 1)] = offset;
        _frameCount++;
    }

    private ref PackRecord PackAt(int number) => ref _packs[number >> PackSegmentBits][number & (PackSegmentLength - 1)];

    /// <summary>False when the pack is there already.</summary>
    private bool TryAppendPack(IndexedPack pack, bool isAbsent)
    {
        if (_packCount >= _packSlots.Length / 5 * 4)
        {
            _packSlots = new uint[_packSlots.Length * 2];
            for (var number = 0; number < _packCount; number++) _packSlots[FindPack(PackAt(number).Name)] = (uint)number + 1;
        }

        var slot = FindPack(pack.Name);
        if (_packSlots[slot] != 0) return false;
        if ((_packCount & (PackSegmentLength - 1)) == 0) _packs.Add(new PackRecord[PackSegmentLength]);
        PackAt(_packCount) = new PackRecord
        {
            Name = pack.Name,
            StoredBytes = pack.StoredBytes,
            FirstFrame = _frameCount,
            PlainBytes = pack.Frames.PlainBytes(),
            IsAbsent = isAbsent,
        };
        _packSlots[slot] = (uint)++_packCount;
        return true;
    }

    private uint FindPack(ObjectName name)
    {
        var mask = (uint)_packSlots.Length - 1;
        for (var slot = (uint)name.Hash.Prefix & mask; ; slot = (slot + 1) & mask)
            if (_packSlots[slot] == 0 || PackAt((int)_packSlots[slot] - 1).Name == name) return slot;
    }

    private ref Record RecordAt(uint number) => ref _records[(int)(number >> SegmentBits)][number & (SegmentLength - 1)];

    private uint FrameOffsetAt(uint frame) => _frameOffsets[(int)(frame >> SegmentBits)][frame & (SegmentLength - 1)];

    private int PackOf(uint frame)
    {
        int low = 0, high = _packCount - 1;
        while (low < high)
        {
            var middle = (low + high + 1) >> 1;
            if (PackAt(middle).FirstFrame <= frame) low = middle;
            else high = middle - 1;
        }

        return low;
    }
}
