using System.Security.Cryptography;
using Backup.Vault.Chunking;
using Backup.Vault.Compression;
using Backup.Vault.Format;
using Backup.Vault.Storage;

namespace Backup.Vault.Restoring;

/// <summary>One worker's means to read frames of one pack after another: buffers, cipher, decompressor. One thread at a time.</summary>
internal sealed class FrameReader(IObjectStore store, PackDecryptor decryptor) : IDisposable
{
    private readonly FrameCodec _codec = new();
    private readonly byte[] _header = new byte[PackHeader.Length];
    private byte[] _plain = [];
    private AesGcm? _cipher;
    private ObjectName _pack;

    internal bool IsIn(ObjectName pack) => _cipher is not null && _pack == pack;

    /// <summary>Makes a pack current: reads and opens its header.</summary>
    internal async Task EnterAsync(ObjectName pack, CancellationToken cancel)
    {
        if (IsIn(pack)) return;
        Leave();
        await store.ReadRangeAsync(pack, 0, _header, cancel).ConfigureAwait(false);
        _cipher = decryptor.Open(_header, pack);
        _pack = pack;
    }

    /// <summary>As <see cref="EnterAsync"/>, from bytes already read.</summary>
    internal void Enter(ObjectName pack, ReadOnlySpan<byte> content)
    {
        if (IsIn(pack)) return;
        Leave();
        if (content.Length < PackHeader.Length) throw VaultException.Damaged(pack.ToString(), "it is too short for a pack");
        content[..PackHeader.Length].CopyTo(_header);
        _cipher = decryptor.Open(_header, pack);
        _pack = pack;
    }

    /// <summary>Decrypts and decompresses a frame of the current pack; valid until the next call.</summary>
    internal ReadOnlyMemory<byte> Decode(uint ordinal, ReadOnlySpan<byte> stored) => _codec.Decode(Decrypt(ordinal, stored), _pack.ToString());

    /// <summary>Element length and phase of the frame decoded last.</summary>
    internal (int Stride, int Phase) DecodedShape => _codec.DecodedShape;

    /// <summary>The encoded form (still compressed) of a frame of the current pack, for repacking without recompressing.</summary>
    internal ReadOnlySpan<byte> Decrypt(uint ordinal, ReadOnlySpan<byte> stored)
    {
        var length = stored.Length - Encryption.AuthenticatedCipher.TagBytes;
        if (length < 0) throw VaultException.Damaged(_pack.ToString(), $"frame {ordinal} is too short");
        FrameCodec.Reserve(ref _plain, length);
        PackDecryptor.Decrypt(_cipher!, _header, ordinal, stored, _plain.AsSpan(0, length), _pack);
        return _plain.AsSpan(0, length);
    }

    /// <summary>A chunk within a decoded frame, checked against its id.</summary>
    internal static ReadOnlySpan<byte> Chunk(ReadOnlySpan<byte> frame, uint offset, uint length, ChunkId id, ChunkHasher ids, ObjectName pack)
    {
        if (!IsInside(frame, offset, length)) throw Outside(id, pack);
        var chunk = frame.Slice((int)offset, (int)length);
        return ids.IdOf(chunk) == id ? chunk : throw Different(id, pack);
    }

    internal static bool IsInside(ReadOnlySpan<byte> frame, uint offset, uint length) => (long)offset + length <= frame.Length;

    internal static VaultException Outside(ChunkId id, ObjectName pack) => VaultException.Damaged(pack.ToString(), $"chunk {id} lies outside its frame");

    internal static VaultException Different(ChunkId id, ObjectName pack) => VaultException.Damaged(pack.ToString(), $"chunk {id} has other bytes than its id says");

    public void Dispose()
    {
        Leave();
        _codec.Dispose();
    }

    private void Leave()
    {
        _cipher?.Dispose();
        _cipher = null;
    }
}
