using System.Buffers.Binary;
using System.Numerics;
using Microsoft.Win32.SafeHandles;

namespace Backup.Agent.Journal;

/// <summary>
/// An append-only file of checksummed records. When <see cref="Append"/> returns, the record survives the death of the
/// process and of the machine. One writer at a time; callers hold a lock.
/// </summary>
/// <remarks>
/// Layout: the magic <c>BKJL</c> and a format version (u32), then records of length (u32), CRC-32C of sequence and
/// payload (u32), sequence (u64, rising by one) and payload; all little-endian. Each append is flushed before the next
/// begins, so only the last record can be torn: opening cuts a torn tail off. A bad record with a good one behind it is
/// damage and is refused, because cutting there would forget orders that were acknowledged.
/// </remarks>
internal sealed class RecordLog : IDisposable
{
    internal const int HeaderBytes = 8;
    internal const int FrameBytes = 16;
    internal const int PayloadBytesMax = 4 << 20;
    private const uint Version = 1;
    private static ReadOnlySpan<byte> Magic => "BKJL"u8;

    private readonly string _file;
    private SafeFileHandle _handle;
    private long _length;
    private ulong _sequence;
    private bool _tailDirty;
    private Exception? _unusable;

    private RecordLog(string file, SafeFileHandle handle)
    {
        _file = file;
        _handle = handle;
    }

    /// <summary>Bytes in the file.</summary>
    public long Length => _length;

    /// <summary>Bytes of a torn record that opening cut off.</summary>
    public long TornBytes { get; private set; }

    /// <summary>Opens or creates the log and hands every record to <paramref name="replay"/> in order.</summary>
    /// <exception cref="AgentException">Damaged, or written by a newer version.</exception>
    /// <exception cref="IOException">The file system refused.</exception>
    public static RecordLog Open(string file, Action<ReadOnlyMemory<byte>> replay)
    {
        var unfinished = ReplacementOf(file);
        File.Delete(unfinished); // A compaction that died before its rename; the old file is still whole.

        var log = new RecordLog(file, OpenHandle(file));
        try
        {
            log.Recover(replay);
            return log;
        }
        catch
        {
            log.Dispose();
            throw;
        }
    }

    /// <summary>Adds one record; it is durable when this returns.</summary>
    /// <exception cref="IOException">Nothing was added (disk full, for example): the log stays usable and a later append may succeed.</exception>
    public void Append(ReadOnlySpan<byte> payload)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(payload.Length, PayloadBytesMax);
        if (_unusable is not null)
        {
            throw new IOException("The journal could not be flushed before; the agent must be restarted.", _unusable);
        }

        if (_tailDirty)
        {
            RandomAccess.SetLength(_handle, _length);
            _tailDirty = false;
        }

        var frame = Frame(_sequence + 1, payload);
        _tailDirty = true;
        RandomAccess.Write(_handle, frame, _length);
        Flush(_handle);
        _tailDirty = false;
        _length += frame.Length;
        _sequence++;
    }

    /// <summary>Replaces all records by these in one step: whoever opens the log finds the old ones or the new ones.</summary>
    /// <exception cref="IOException">The old log stays in use.</exception>
    public void Replace(IEnumerable<byte[]> payloads)
    {
        var replacement = ReplacementOf(_file);
        var sequence = 0UL;
        var length = (long)HeaderBytes;
        using (var stream = new FileStream(replacement, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 16))
        {
            stream.Write(Header());
            foreach (var payload in payloads)
            {
                ArgumentOutOfRangeException.ThrowIfGreaterThan(payload.Length, PayloadBytesMax);
                var frame = Frame(++sequence, payload);
                stream.Write(frame);
                length += frame.Length;
            }

            stream.Flush(flushToDisk: true);
        }

        RestrictToOwner(replacement);
        File.Move(replacement, _file, overwrite: true);
        FolderSync.Flush(Path.GetDirectoryName(_file)!);

        var old = _handle;
        _handle = OpenHandle(_file);
        old.Dispose();
        (_length, _sequence, _tailDirty, _unusable) = (length, sequence, false, null);
    }

    public void Dispose() => _handle.Dispose();

    private void Recover(Action<ReadOnlyMemory<byte>> replay)
    {
        var content = ReadAll();
        if (content.Length < HeaderBytes)
        {
            // Empty, or creation died before the header was durable: no record can have been acknowledged.
            if (!Header().AsSpan().StartsWith(content) && content.AsSpan().ContainsAnyExcept((byte)0))
            {
                throw Damaged(0);
            }

            RandomAccess.SetLength(_handle, 0);
            RandomAccess.Write(_handle, Header(), 0);
            Flush(_handle);
            FolderSync.Flush(Path.GetDirectoryName(_file)!);
            _length = HeaderBytes;
            return;
        }

        if (!content.AsSpan().StartsWith(Magic))
        {
            throw Damaged(0);
        }

        var version = BinaryPrimitives.ReadUInt32LittleEndian(content.AsSpan(4));
        if (version != Version)
        {
            throw new AgentException(
                AgentFault.JournalTooNew, $"The job journal {_file} has format version {version}; this agent knows version {Version}.",
                "Start the agent version that wrote it, or a newer one.");
        }

        var offset = HeaderBytes;
        while (TryRead(content, offset, _sequence + 1, out var payload))
        {
            replay(payload);
            offset += FrameBytes + payload.Length;
            _sequence++;
        }

        _length = offset;
        TornBytes = content.Length - offset;
        if (TornBytes == 0)
        {
            return;
        }

        RefuseRecordsBehind(content, offset);
        RandomAccess.SetLength(_handle, offset);
        Flush(_handle);
    }

    private void RefuseRecordsBehind(byte[] content, int torn)
    {
        for (var offset = torn + 1; offset + FrameBytes <= content.Length; offset++)
        {
            var sequence = BinaryPrimitives.ReadUInt64LittleEndian(content.AsSpan(offset + 8));
            if (sequence > _sequence && sequence - _sequence < (ulong)content.Length && TryRead(content, offset, sequence, out _))
            {
                throw Damaged(torn);
            }
        }
    }

    private static bool TryRead(byte[] content, int offset, ulong sequence, out ReadOnlyMemory<byte> payload)
    {
        payload = default;
        if (content.Length - offset < FrameBytes)
        {
            return false;
        }

        var frame = content.AsSpan(offset);
        var length = BinaryPrimitives.ReadUInt32LittleEndian(frame);
        if (length > PayloadBytesMax || length > frame.Length - FrameBytes
            || BinaryPrimitives.ReadUInt64LittleEndian(frame[8..]) != sequence
            || BinaryPrimitives.ReadUInt32LittleEndian(frame[4..]) != Checksum(frame.Slice(8, 8 + (int)length)))
        {
            return false;
        }

        payload = content.AsMemory(offset + FrameBytes, (int)length);
        return true;
    }

    private static byte[] Frame(ulong sequence, ReadOnlySpan<byte> payload)
    {
        var frame = new byte[FrameBytes + payload.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(frame, (uint)payload.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(frame.AsSpan(8), sequence);
        payload.CopyTo(frame.AsSpan(FrameBytes));
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(4), Checksum(frame.AsSpan(8)));
        return frame;
    }

    private static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        for (; bytes.Length >= 8; bytes = bytes[8..])
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        }

        foreach (var b in bytes)
        {
            crc = BitOperations.Crc32C(crc, b);
        }

        return ~crc;
    }

    private void Flush(SafeFileHandle handle)
    {
        try
        {
            RandomAccess.FlushToDisk(handle);
        }
        catch (IOException e)
        {
            // After a failed flush the kernel may drop the dirty pages and report the next flush as a success.
            _unusable = e;
            throw;
        }
    }

    private byte[] ReadAll()
    {
        var content = new byte[RandomAccess.GetLength(_handle)];
        for (var read = 0; read < content.Length;)
        {
            var count = RandomAccess.Read(_handle, content.AsSpan(read), read);
            read += count > 0 ? count : throw new EndOfStreamException($"The journal {_file} shrank while it was read.");
        }

        return content;
    }

    private static byte[] Header()
    {
        var header = new byte[HeaderBytes];
        Magic.CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(4), Version);
        return header;
    }

    private static SafeFileHandle OpenHandle(string file)
    {
        var handle = File.OpenHandle(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        RestrictToOwner(file);
        return handle;
    }

    // Orders carry short-lived storage credentials; nobody else has business reading them.
    private static void RestrictToOwner(string file)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
    }

    private AgentException Damaged(long offset) => new(
        AgentFault.JournalDamaged, $"The job journal {_file} is damaged at byte {offset}.",
        "Check the disk. To go on without the unfinished jobs, move the file away and start the agent: every backup and restore can be ordered again.");

    private static string ReplacementOf(string file) => file + ".new";
}
