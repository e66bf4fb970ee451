using System.Security.Cryptography;
using Backup.Vault.Format;
using Backup.Vault.Packs;
using Backup.Vault.Storage;

namespace Backup.Vault.Verifying;

/// <summary>
/// Reads packs from end to end, one after another, and checks each: its hash, and with a decryptor every frame and chunk in it. Holds a
/// few megabytes of a pack at a time, so that a verification needs no more memory than a restore.
/// </summary>
/// <param name="store">Where the packs are.</param>
/// <param name="checkers">Look into the frames; null to check hashes only.</param>
internal sealed class PackCheck(IObjectStore store, FrameCheckers? checkers) : IDisposable
{
    private const int BlockBytes = 2 * 1024 * 1024;
    private readonly PackDirectoryReader? _directories = checkers is null ? null : new PackDirectoryReader(store, checkers.Secrets);
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly ByteWriter _scratch = new();
    private byte[] _window = [];

    /// <summary>Null when the pack is sound.</summary>
    /// <param name="name">The pack.</param>
    /// <param name="length">Its length as the store lists it.</param>
    /// <param name="indexed">The digest of what the index says of it; null when it is in no index.</param>
    /// <param name="cancel">Gives up.</param>
    internal async Task<ObjectProblem?> CheckAsync(ObjectName name, int length, ContentHash? indexed, CancellationToken cancel)
    {
        try
        {
            var frames = checkers is null ? null : await OpenFramesAsync(name, length, indexed, cancel).ConfigureAwait(false);
            var held = 0;
            for (var at = 0; at < length;)
            {
                var count = Math.Min(BlockBytes, length - at);
                if (_window.Length < held + count) Grow(held, count);
                var block = _window.AsMemory(held, count);
                await store.ReadRangeAsync(name, at, block, cancel).ConfigureAwait(false);
                _hash.AppendData(block.Span);
                at += count;
                held += count;
                held = frames is null ? 0 : Keep(frames.Take(_window.AsMemory(0, held), cancel), held);
            }

            Span<byte> digest = stackalloc byte[ContentHash.Length];
            _hash.GetHashAndReset(digest);

            // Of bytes that are not those of the name nothing more is to be said: whatever does not open is what was damaged.
            if (new ContentHash(digest) != name.Hash) return new ObjectProblem(name, ObjectProblemKind.WrongHash, "Its bytes do not have the hash in its name.");
            return frames?.Problem is { } problem ? new ObjectProblem(name, ObjectProblemKind.WrongContent, problem.Message) : null;
        }
        catch (VaultException e)
        {
            _ = _hash.GetHashAndReset();
            return new ObjectProblem(name, e.Fault switch
            {
                VaultFault.NotFound => ObjectProblemKind.Missing,
                VaultFault.Damaged or VaultFault.NewerFormat => ObjectProblemKind.WrongContent,
                _ => ObjectProblemKind.Unreadable,
            }, e.Message);
        }
    }

    public void Dispose() => _hash.Dispose();

    private async Task<FrameWalk> OpenFramesAsync(ObjectName name, int length, ContentHash? indexed, CancellationToken cancel)
    {
        try
        {
            var directory = await _directories!.ReadAsync(name, length, cancel).ConfigureAwait(false);
            if (indexed is { } digest && directory.Digest(_scratch) != digest) throw VaultException.Damaged(name.ToString(), "its directory and the index differ");
            return new FrameWalk(name, directory, checkers!);
        }
        catch (VaultException e) when (e.Fault is VaultFault.Damaged or VaultFault.NewerFormat)
        {
            return new FrameWalk(name, checkers!, e);
        }
    }

    /// <summary>At first there is room for a block behind a frame of usual length that is not whole yet.</summary>
    private void Grow(int held, int count)
    {
        var larger = GC.AllocateUninitializedArray<byte>(Math.Max(BlockBytes * 5 / 2, held + count));
        _window.AsSpan(0, held).CopyTo(larger);
        _window = larger;
    }

    /// <summary>Moves what was not taken yet to the front.</summary>
    private int Keep(int taken, int held)
    {
        _window.AsSpan(taken, held - taken).CopyTo(_window);
        return held - taken;
    }

    /// <summary>Checks a pack's frames as its bytes come in, up to the first problem.</summary>
    private sealed class FrameWalk
    {
        private readonly ObjectName _name;
        private readonly FrameCheckers _checkers;
        private readonly FrameDirectory _directory;
        private readonly byte[] _header = new byte[PackHeader.Length];
        private readonly List<FrameInBlock> _whole = [];
        private bool _hasHeader;
        private int _frame, _chunk;

        internal FrameWalk(ObjectName name, FrameCheckers checkers, VaultException problem)
            : this(name, new FrameDirectory(), checkers) => Problem = problem;

        internal FrameWalk(ObjectName name, FrameDirectory directory, FrameCheckers checkers) => (_name, _directory, _checkers) = (name, directory, checkers);

        internal VaultException? Problem { get; private set; }

        /// <summary>Takes whole frames from the front of what follows the last one taken; answers how many bytes it is done with.</summary>
        internal int Take(ReadOnlyMemory<byte> bytes, CancellationToken cancel)
        {
            var at = 0;
            if (!_hasHeader && Problem is null && bytes.Length >= PackHeader.Length)
            {
                bytes.Span[..PackHeader.Length].CopyTo(_header);
                _hasHeader = true;
                at = PackHeader.Length;
            }

            _whole.Clear();
            var isCut = !_hasHeader;
            while (Problem is null && !isCut && _frame < _directory.FrameChunks.Count)
            {
                var length = (int)_directory.FrameStoredBytes[_frame];
                isCut = bytes.Length - at < length;
                if (isCut) break;
                _whole.Add(new FrameInBlock(_frame, _chunk, at, length));
                at += length;
                _chunk += _directory.FrameChunks[_frame++];
            }

            Problem ??= _checkers.FindProblem(_name, _header, _directory, _whole, bytes, cancel);
            return Problem is null && isCut ? at : bytes.Length;
        }
    }
}
