using Backup.Vault.Format;
using Backup.Vault.Packs;
using Backup.Vault.Restoring;
using Backup.Vault.Storage;

namespace Backup.Vault.Verifying;

/// <summary>Reads packs whole, one after another, and checks each: its hash, and with a decryptor every frame and chunk in it.</summary>
internal sealed class PackCheck(IObjectStore store, PackDecryptor? decryptor) : IDisposable
{
    private readonly FrameReader? _frames = decryptor is null ? null : new FrameReader(store, decryptor);
    private byte[] _content = [];

    /// <summary>Null when the pack is sound.</summary>
    internal async Task<ObjectProblem?> CheckAsync(ObjectName name, int length, IndexedPack? indexed, CancellationToken cancel)
    {
        if (_content.Length < length) _content = GC.AllocateUninitializedArray<byte>(length + (length / 8));
        try
        {
            var content = _content.AsMemory(0, length);
            await store.ReadRangeAsync(name, 0, content, cancel).ConfigureAwait(false);
            if (!name.Matches(content.Span)) return new ObjectProblem(name, ObjectProblemKind.WrongHash, "Its bytes do not have the hash in its name.");
            if (decryptor is not null) CheckData(name, content, indexed, cancel);
            return null;
        }
        catch (VaultException e)
        {
            return new ObjectProblem(name, e.Fault switch
            {
                VaultFault.NotFound => ObjectProblemKind.Missing,
                VaultFault.Damaged or VaultFault.NewerFormat => ObjectProblemKind.WrongContent,
                _ => ObjectProblemKind.Unreadable,
            }, e.Message);
        }
    }

    public void Dispose() => _frames?.Dispose();

    private void CheckData(ObjectName name, ReadOnlyMemory<byte> content, IndexedPack? indexed, CancellationToken cancel)
    {
        var secrets = decryptor!.Secrets;
        var directory = OpenPack.ReadDirectory(content.Span, name.Kind, secrets, name.ToString());
        if (indexed is not null && !indexed.Frames.Chunks.SequenceEqual(directory.Chunks)) throw VaultException.Damaged(name.ToString(), "its directory and the index differ");
        var idKey = name.Kind == ObjectKind.DataPack ? secrets.DataIdKey : secrets.MetaIdKey;
        _frames!.Enter(name, content.Span);
        var at = PackHeader.Length;
        var next = 0;
        for (var frame = 0; frame < directory.FrameChunks.Count; frame++)
        {
            cancel.ThrowIfCancellationRequested();
            var stored = content.Slice(at, (int)directory.FrameStoredBytes[frame]);
            at += stored.Length;
            var plain = _frames.Decode((uint)frame, stored.Span);
            var offset = 0;
            for (var end = next + directory.FrameChunks[frame]; next < end; next++)
            {
                var chunk = directory.Chunks[next];
                if ((long)offset + chunk.Length > plain.Length) throw VaultException.Damaged(name.ToString(), $"chunk {chunk.Id} lies outside its frame");
                FrameReader.Verify(plain.Span.Slice(offset, (int)chunk.Length), chunk.Id, idKey, name);
                offset += (int)chunk.Length;
            }

            if (offset != plain.Length) throw VaultException.Damaged(name.ToString(), $"frame {frame} holds more than its chunks");
        }
    }
}
