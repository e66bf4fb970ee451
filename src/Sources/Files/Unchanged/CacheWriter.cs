using System.Buffers.Binary;
using System.Security.Cryptography;
using Backup.Vault;
using Backup.Vault.Storage;

namespace Backup.Sources.Files.Unchanged;

/// <summary>
/// Writes the next cache beside the old one and takes its place only after the snapshot is committed. No fsync: after a power loss
/// the checksum does not fit and the next backup reads everything, which is all the cache's loss may cost.
/// </summary>
internal sealed class CacheWriter : IDisposable
{
    private readonly Lock _gate = new();
    private readonly string _path;
    private readonly FileStream _file;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private long _length;
    private bool _isFailed;
    private bool _isKept;

    private CacheWriter(string path, FileStream file)
    {
        _path = path;
        _file = file;
    }

    private string NewPath => _path + ".new";

    /// <summary>Null when the folder cannot be written or another backup of the asset is writing its cache now.</summary>
    internal static CacheWriter? TryCreate(string path, ReadOnlySpan<byte> vault, ReadOnlySpan<byte> scope)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            var file = new FileStream(path + ".new", new FileStreamOptions
            {
                Mode = FileMode.OpenOrCreate,
                Access = FileAccess.Write,
                Share = FileShare.None,
                BufferSize = 256 * 1024,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
            file.SetLength(0);
            var writer = new CacheWriter(path, file);
            writer.Append([.. CacheFormat.Magic, .. vault, .. scope]);
            return writer;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Adds a finished directory; its offset goes into its parent's record.</summary>
    internal long Append(ReadOnlySpan<byte> record)
    {
        lock (_gate)
        {
            var offset = _length;
            if (_isFailed)
                return offset;
            try
            {
                _file.Write(record);
                _hash.AppendData(record);
                _length += record.Length;
            }
            catch (IOException)
            {
                // A full disk must not fail the backup: this cache is dropped, the old one stays and its stale entries do not match.
                _isFailed = true;
            }

            return offset;
        }
    }

    /// <summary>Replaces the old cache. False when it could not be written, which costs time at the next backup and nothing else.</summary>
    internal bool TryKeep(long rootOffset, SnapshotId snapshot)
    {
        Span<byte> end = stackalloc byte[sizeof(long) + ContentHash.Length];
        BinaryPrimitives.WriteInt64LittleEndian(end, rootOffset);
        snapshot.Hash.CopyTo(end[sizeof(long)..]);
        Append(end);
        lock (_gate)
        {
            if (_isFailed)
                return false;
            try
            {
                _file.Write(_hash.GetHashAndReset());
                _file.Flush();
                File.Move(NewPath, _path, overwrite: true);
                _isKept = true;
                return true;
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                return false;
            }
        }
    }

    public void Dispose()
    {
        if (!_isKept)
            File.Delete(NewPath);
        _file.Dispose();
        _hash.Dispose();
    }
}

/// <summary>Collects one directory's record after another.</summary>
internal sealed class CacheRecordBuilder
{
    private byte[] _record = new byte[1024];
    private int _length = sizeof(uint);
    private uint _count;

    internal void AddDirectory(ReadOnlySpan<byte> name, long recordOffset)
    {
        Span<byte> payload = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(payload, recordOffset);
        Add(CacheFormat.DirectoryKind, name, payload, []);
    }

    internal void AddFile(ReadOnlySpan<byte> name, in FileStamp stamp, ReadOnlySpan<byte> content)
    {
        Span<byte> payload = stackalloc byte[FileStamp.Bytes];
        stamp.Write(payload);
        Add(CacheFormat.FileKind, name, payload, content);
    }

    /// <summary>Appends the record, answers where it is, and begins the next.</summary>
    internal long Finish(CacheWriter writer)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_record, _count);
        var offset = writer.Append(_record.AsSpan(0, _length));
        (_length, _count) = (sizeof(uint), 0);
        return offset;
    }

    private void Add(byte kind, ReadOnlySpan<byte> name, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        var length = CacheFormat.EntryHeaderBytes + name.Length + first.Length + second.Length;
        if (_record.Length - _length < length)
            Array.Resize(ref _record, Math.Max(_record.Length * 2, _length + length));
        var entry = _record.AsSpan(_length, length);
        entry[0] = kind;
        BinaryPrimitives.WriteUInt16LittleEndian(entry[1..], checked((ushort)name.Length));
        BinaryPrimitives.WriteInt32LittleEndian(entry[3..], first.Length + second.Length);
        name.CopyTo(entry[7..]);
        first.CopyTo(entry[(7 + name.Length)..]);
        second.CopyTo(entry[(7 + name.Length + first.Length)..]);
        _length += length;
        _count++;
    }
}
