using System.Runtime.InteropServices;
using Backup.Vault.Chunking;
using Backup.Vault.Encryption;
using Backup.Vault.Format;
using Backup.Vault.Restoring;
using Backup.Vault.Storage;

namespace Backup.Vault.Verifying;

/// <summary>A frame whose stored bytes are in a block that was read.</summary>
internal readonly record struct FrameInBlock(int Ordinal, int FirstChunk, int Offset, int StoredBytes);

/// <summary>
/// Decrypts and decodes frames and checks every chunk in them. Several threads take turns with the frames of one block: a vault may have fewer packs than
/// the machine has cores, and one pack may hold a hundred times what another does.
/// </summary>
internal sealed class FrameCheckers(IObjectStore store, PackDecryptor decryptor, int parallelism) : IDisposable
{
    private readonly Idle<Checker> _idle = new();

    internal VaultSecrets Secrets => decryptor.Secrets;

    /// <summary>What is wrong with the first frame that is not sound; null when all are.</summary>
    internal VaultException? FindProblem(ObjectName pack, byte[] header, FrameDirectory directory, List<FrameInBlock> frames, ReadOnlyMemory<byte> block, CancellationToken cancel)
    {
        VaultException? problem = null;
        var first = int.MaxValue;
        Parallel.ForEach(frames, new ParallelOptions { MaxDegreeOfParallelism = parallelism, CancellationToken = cancel }, frame =>
        {
            if (!_idle.TryTake(out var checker)) checker = new Checker(store, decryptor);
            try
            {
                checker.Check(pack, header, directory, frame, block.Span.Slice(frame.Offset, frame.StoredBytes));
            }
            catch (VaultException e) when (e.Fault is VaultFault.Damaged or VaultFault.NewerFormat)
            {
                lock (frames)
                {
                    if (frame.Ordinal < first) (first, problem) = (frame.Ordinal, e);
                }
            }
            finally
            {
                _idle.Return(checker);
            }
        });
        return problem;
    }

    public void Dispose()
    {
        while (_idle.TryTake(out var checker)) checker.Dispose();
    }

    private sealed class Checker(IObjectStore store, PackDecryptor decryptor) : IDisposable
    {
        private readonly FrameReader _frames = new(store, decryptor);
        private readonly ChunkHasher _dataIds = new(decryptor.Secrets.DataIdKey), _metaIds = new(decryptor.Secrets.MetaIdKey);
        private readonly List<ChunkPlace> _places = [];

        internal void Check(ObjectName pack, byte[] header, FrameDirectory directory, FrameInBlock frame, ReadOnlySpan<byte> stored)
        {
            _frames.Enter(pack, header);
            var plain = _frames.Decode((uint)frame.Ordinal, stored).Span;
            var ids = pack.Kind == ObjectKind.DataPack ? _dataIds : _metaIds;
            var chunks = CollectionsMarshal.AsSpan(directory.Chunks).Slice(frame.FirstChunk, directory.FrameChunks[frame.Ordinal]);
            _places.Clear();
            uint offset = 0;
            foreach (var chunk in chunks)
            {
                if (!FrameReader.IsInside(plain, offset, chunk.Length)) throw FrameReader.Outside(chunk.Id, pack);
                _places.Add(new ChunkPlace((int)offset, (int)chunk.Length));
                offset += chunk.Length;
            }

            var found = ids.IdsOf(plain, CollectionsMarshal.AsSpan(_places));
            for (var i = 0; i < chunks.Length; i++)
            {
                if (found[i] != chunks[i].Id) throw FrameReader.Different(chunks[i].Id, pack);
            }

            if (offset != plain.Length) throw VaultException.Damaged(pack.ToString(), $"frame {frame.Ordinal} holds more than its chunks");
        }

        public void Dispose()
        {
            _frames.Dispose();
            _dataIds.Dispose();
            _metaIds.Dispose();
        }
    }
}
