using Backup.Vault.Encryption;
using Backup.Vault.Format;
using Backup.Vault.Storage;

namespace Backup.Vault.Packs;

/// <summary>Reads directories of stored packs, one after another, into buffers that the next one takes over; a backup key suffices. One thread at a time.</summary>
internal sealed class PackDirectoryReader(IObjectStore store, VaultSecrets secrets)
{
    private readonly byte[] _header = new byte[PackHeader.Length], _trailer = new byte[OpenPack.TrailerBytes];
    private readonly FrameDirectory _directory = new();
    private byte[] _stored = [], _plain = [];

    /// <summary>Reads header, trailer and directory only; what it answers is valid until the next call.</summary>
    /// <exception cref="VaultException">Damaged, NewerFormat or NotFound; or the store failed.</exception>
    internal async Task<FrameDirectory> ReadAsync(ObjectName name, long length, CancellationToken cancel)
    {
        var what = name.ToString();
        if (length is < PackHeader.Length + OpenPack.TrailerBytes or > IObjectStore.ObjectBytesMax) throw VaultException.Damaged(what, $"it has {length} bytes, which no pack has");
        await store.ReadRangeAsync(name, 0, _header, cancel).ConfigureAwait(false);
        ObjectPrefix.Check(_header, name.Kind, secrets.Vault, what);
        await store.ReadRangeAsync(name, length - OpenPack.TrailerBytes, _trailer, cancel).ConfigureAwait(false);
        var (at, bytes) = OpenPack.ReadTrailer(_header, _trailer, length, secrets, what);
        if (_stored.Length < bytes) (_stored, _plain) = (new byte[bytes + (bytes / 4)], new byte[bytes + (bytes / 4)]);
        await store.ReadRangeAsync(name, at, _stored.AsMemory(0, bytes), cancel).ConfigureAwait(false);
        OpenPack.ReadDirectory(_header, _stored.AsSpan(0, bytes), at, (uint)length, secrets, what, _plain, _directory);
        return _directory;
    }
}
