using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Security.Cryptography;
using Backup.Vault;
using Backup.Vault.Storage;

namespace Backup.Sources.Files.Unchanged;

/// <summary>
/// What the last backup of the asset found, to be walked beside the file system. Mapped, not loaded: it costs page cache only.
/// A file that is missing, damaged, of another vault or another version is no error, every file is simply read again.
/// </summary>
internal sealed unsafe class CacheReader : IDisposable
{
    private readonly MemoryMappedFile? _file;
    private readonly MemoryMappedViewAccessor? _view;
    private readonly byte* _start;
    private readonly long _length;

    private CacheReader()
    {
    }

    private CacheReader(MemoryMappedFile file, MemoryMappedViewAccessor view, byte* start, long length)
    {
        _file = file;
        _view = view;
        _start = start;
        _length = length;
    }

    /// <summary>The top directory.</summary>
    internal CachedDirectory Root => _length == 0 ? default : Directory(BinaryPrimitives.ReadInt64LittleEndian(Bytes(_length - CacheFormat.TrailerBytes, 8)));

    /// <summary>The snapshot that was made of what this holds; null when it holds nothing.</summary>
    internal SnapshotId? Snapshot => _length == 0 ? null : new SnapshotId(new ContentHash(Bytes(_length - CacheFormat.TrailerBytes + 8, ContentHash.Length)));

    internal static CacheReader Empty { get; } = new();

    /// <param name="path">The cache file.</param>
    /// <param name="vault">16 bytes; chunks of one vault mean nothing in another.</param>
    /// <param name="scope">32 bytes that name the asset.</param>
    internal static CacheReader Open(string path, ReadOnlySpan<byte> vault, ReadOnlySpan<byte> scope)
    {
        MemoryMappedFile? file = null;
        MemoryMappedViewAccessor? view = null;
        try
        {
            var length = new FileInfo(path) is { Exists: true } info ? info.Length : 0;
            if (length < CacheFormat.HeaderBytes + CacheFormat.TrailerBytes)
                return Empty;
            file = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
            view = file.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
            byte* start = null;
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            var reader = new CacheReader(file, view, start, length);
            if (reader.IsSound(vault, scope))
                return reader;
            reader.Dispose();
            return Empty;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            view?.Dispose();
            file?.Dispose();
            return Empty;
        }
    }

    internal CachedDirectory Directory(long offset) =>
        offset >= CacheFormat.HeaderBytes && offset + sizeof(uint) <= _length - CacheFormat.TrailerBytes
            ? new CachedDirectory(this, offset + sizeof(uint), BinaryPrimitives.ReadUInt32LittleEndian(Bytes(offset, sizeof(uint))))
            : default;

    /// <summary>A range of the mapped file, or nothing when it would leave it: the checksum guards against damage, this against ourselves.</summary>
    internal ReadOnlySpan<byte> Bytes(long offset, int length) =>
        offset >= 0 && length >= 0 && offset <= _length - length ? new ReadOnlySpan<byte>(_start + offset, length) : [];

    public void Dispose()
    {
        if (_view is null)
            return;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file!.Dispose();
    }

    private bool IsSound(ReadOnlySpan<byte> vault, ReadOnlySpan<byte> scope)
    {
        var header = Bytes(0, CacheFormat.HeaderBytes);
        if (!header.StartsWith(CacheFormat.Magic) || !header[8..24].SequenceEqual(vault) || !header[24..].SequenceEqual(scope))
            return false;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        const int step = 16 << 20;
        var end = _length - SHA256.HashSizeInBytes;
        for (long offset = 0; offset < end; offset += step)
            hash.AppendData(Bytes(offset, (int)Math.Min(step, end - offset)));
        return hash.GetHashAndReset().AsSpan().SequenceEqual(Bytes(end, SHA256.HashSizeInBytes));
    }
}

/// <summary>A directory in the cache, read from front to back by ascending names. Not for two threads at once.</summary>
internal struct CachedDirectory
{
    private readonly CacheReader? _reader;
    private long _offset;
    private uint _left;

    internal CachedDirectory(CacheReader reader, long offset, uint count)
    {
        _reader = reader;
        _offset = offset;
        _left = count;
    }

    internal readonly bool IsEmpty => _left == 0;

    /// <summary>Moves on to the name; names must be asked for in ascending order.</summary>
    internal bool TryFind(ReadOnlySpan<byte> name, out CachedEntry entry)
    {
        entry = default;
        while (_left > 0)
        {
            var header = _reader!.Bytes(_offset, CacheFormat.EntryHeaderBytes);
            if (header.IsEmpty)
                return Stop();
            var nameLength = BinaryPrimitives.ReadUInt16LittleEndian(header[1..]);
            var payloadLength = BinaryPrimitives.ReadInt32LittleEndian(header[3..]);
            var cachedName = _reader.Bytes(_offset + CacheFormat.EntryHeaderBytes, nameLength);
            var order = cachedName.SequenceCompareTo(name);
            if (order > 0)
                return false;
            var payload = _offset + CacheFormat.EntryHeaderBytes + nameLength;
            _offset = payload + payloadLength;
            _left--;
            if (order == 0)
            {
                entry = new CachedEntry(_reader, header[0], payload, payloadLength);
                return payloadLength >= 0;
            }
        }

        return false;
    }

    private bool Stop()
    {
        _left = 0;
        return false;
    }
}

/// <summary>One cached entry.</summary>
internal readonly struct CachedEntry(CacheReader reader, byte kind, long payload, int payloadLength)
{
    internal CachedDirectory Directory =>
        kind == CacheFormat.DirectoryKind && payloadLength == sizeof(long)
            ? reader.Directory(BinaryPrimitives.ReadInt64LittleEndian(reader.Bytes(payload, sizeof(long))))
            : default;

    /// <summary>The payload and its stamp, whatever became of the file since.</summary>
    internal bool TryRead(out FileStamp stamp, out ReadOnlySpan<byte> content)
    {
        stamp = default;
        content = default;
        if (kind != CacheFormat.FileKind || payloadLength < FileStamp.Bytes)
            return false;
        stamp = FileStamp.Read(reader.Bytes(payload, FileStamp.Bytes));
        content = reader.Bytes(payload + FileStamp.Bytes, payloadLength - FileStamp.Bytes);
        return true;
    }

    /// <summary>The payload when the stamp is the same.</summary>
    internal bool TryMatch(in FileStamp stamp, out ReadOnlySpan<byte> content)
    {
        if (TryRead(out var remembered, out content) && remembered == stamp)
            return true;
        content = default;
        return false;
    }
}
