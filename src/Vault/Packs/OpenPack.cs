using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Backup.Vault.Encryption;
using Backup.Vault.Format;
using Backup.Vault.Storage;

namespace Backup.Vault.Packs;

/// <summary>A pack under construction in memory. One thread at a time. See FORMAT.md, "Packs".</summary>
internal sealed class OpenPack : IDisposable
{
    internal const int TrailerBytes = 8 + AuthenticatedCipher.TagBytes;
    private const int ChunkEntryBytesMax = ContentHash.Length + 4, FrameEntryBytesMax = 10;
    private readonly WriteSession _session;
    private readonly ObjectKind _kind;
    private readonly AesGcm _cipher;
    private readonly FrameDirectory _directory = new();
    private byte[] _buffer;
    private int _length = PackHeader.Length;

    internal OpenPack(WriteSession session, ObjectKind kind, byte[] buffer)
    {
        _session = session;
        _kind = kind;
        _buffer = buffer;
        _cipher = session.BeginPack(buffer, kind);
    }

    internal byte[] Buffer => _buffer;

    internal int Length => _length;

    /// <summary>Whether a frame, the directory with it and the padding still fit.</summary>
    internal bool HasRoomFor(int encodedBytes, int chunks)
    {
        long directory = ((_directory.Chunks.Count + chunks) * (long)ChunkEntryBytesMax) + ((_directory.FrameChunks.Count + 1) * FrameEntryBytesMax);
        var total = _length + encodedBytes + AuthenticatedCipher.TagBytes + directory + 64 + TrailerBytes;
        return total + (total / 64) < _buffer.Length;
    }

    internal int Append(ReadOnlySpan<byte> encoded, ReadOnlySpan<ListedChunk> chunks)
    {
        var stored = encoded.Length + AuthenticatedCipher.TagBytes;
        Reserve(stored);
        Span<byte> nonce = stackalloc byte[AuthenticatedCipher.NonceBytes];
        AuthenticatedCipher.WriteNonce(nonce, (ulong)_directory.FrameChunks.Count);
        var ciphertext = _buffer.AsSpan(_length, encoded.Length);
        _cipher.Encrypt(nonce, encoded, ciphertext, _buffer.AsSpan(_length + encoded.Length, AuthenticatedCipher.TagBytes), _buffer.AsSpan(0, PackHeader.Length));
        _directory.AddFrame((uint)stored, chunks);
        _length += stored;
        return stored;
    }

    /// <summary>Adds directory, padding and trailer, and names the result.</summary>
    internal (ReadOnlyMemory<byte> Content, IndexedPack Pack) Seal()
    {
        var w = new ByteWriter((_directory.Chunks.Count * ChunkEntryBytesMax) + 256);
        _directory.Write(w);
        var directoryAt = _length;
        var needed = _length + w.Length + AuthenticatedCipher.TagBytes + TrailerBytes;
        // The padding is inside the encrypted directory: outside it would show.
        w.Take(SizePadding.Pad(needed) - needed).Clear();
        Reserve(w.Length + AuthenticatedCipher.TagBytes + TrailerBytes);
        using var cipher = PackHeader.DirectoryCipher(_buffer.AsSpan(0, PackHeader.Length), _session.Secrets.IndexKey);
        Encrypt(cipher, 1, w.WrittenSpan);
        Span<byte> trailer = stackalloc byte[8];
        BinaryPrimitives.WriteUInt32LittleEndian(trailer, (uint)directoryAt);
        BinaryPrimitives.WriteUInt32LittleEndian(trailer[4..], (uint)(w.Length + AuthenticatedCipher.TagBytes));
        Encrypt(cipher, 0, trailer);
        var content = _buffer.AsMemory(0, _length);
        return (content, new IndexedPack(ObjectName.For(_kind, content.Span), (uint)_length, _directory));
    }

    /// <summary>Where the directory stands in a pack of this length.</summary>
    internal static (int At, int Length) ReadTrailer(ReadOnlySpan<byte> header, ReadOnlySpan<byte> stored, long packBytes, VaultSecrets secrets, string what)
    {
        using var cipher = PackHeader.DirectoryCipher(header, secrets.IndexKey);
        Span<byte> trailer = stackalloc byte[8];
        if (!AuthenticatedCipher.TryDecrypt(cipher, 0, stored, trailer, header)) throw VaultException.Damaged(what, "its trailer is not authentic");
        var at = BinaryPrimitives.ReadUInt32LittleEndian(trailer);
        var length = BinaryPrimitives.ReadUInt32LittleEndian(trailer[4..]);
        if (at < PackHeader.Length || length < AuthenticatedCipher.TagBytes || (long)at + length != packBytes - TrailerBytes) throw VaultException.Damaged(what, "its trailer points outside it");
        return ((int)at, (int)length);
    }

    /// <summary>Decrypts and reads a directory in place of what <paramref name="directory"/> held; <paramref name="plain"/> has room for it.</summary>
    internal static void ReadDirectory(ReadOnlySpan<byte> header, ReadOnlySpan<byte> stored, int at, uint packBytes, VaultSecrets secrets, string what, Span<byte> plain, FrameDirectory directory)
    {
        using var cipher = PackHeader.DirectoryCipher(header, secrets.IndexKey);
        plain = plain[..(stored.Length - AuthenticatedCipher.TagBytes)];
        if (!AuthenticatedCipher.TryDecrypt(cipher, 1, stored, plain, header)) throw VaultException.Damaged(what, "its directory is not authentic");
        var r = new ByteReader(plain, what);
        directory.Read(ref r, packBytes);
        long frames = 0;
        foreach (var frame in CollectionsMarshal.AsSpan(directory.FrameStoredBytes)) frames += frame;
        if (PackHeader.Length + frames != at) throw VaultException.Damaged(what, "its frames do not end where its directory begins");
    }

    public void Dispose() => _cipher.Dispose();

    /// <summary>The buffer is as large as packs get, and what is never written to takes no memory; only the directory of a great many tiny chunks outgrows it.</summary>
    private void Reserve(int count)
    {
        if (_buffer.Length - _length < count) Array.Resize(ref _buffer, _length + count);
    }

    private void Encrypt(AesGcm cipher, ulong counter, ReadOnlySpan<byte> plain)
    {
        Span<byte> nonce = stackalloc byte[AuthenticatedCipher.NonceBytes];
        AuthenticatedCipher.WriteNonce(nonce, counter);
        cipher.Encrypt(nonce, plain, _buffer.AsSpan(_length, plain.Length), _buffer.AsSpan(_length + plain.Length, AuthenticatedCipher.TagBytes), _buffer.AsSpan(0, PackHeader.Length));
        _length += plain.Length + AuthenticatedCipher.TagBytes;
    }
}
