using System.Buffers;
using System.Collections;
using Backup.Sources.Posix;
using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Restoring;

/// <summary>One file being restored. Chunks come in any order and from several threads; the last one finishes it.</summary>
/// <param name="directory">Where it goes.</param>
/// <param name="entry">What the snapshot knows of it.</param>
/// <param name="content">Its chunks.</param>
/// <param name="foundBytes">The length of the file that has its name already and is to be brought to the snapshot's state; null when there is none.</param>
internal sealed class FileItem(TargetDirectory directory, TreeEntry entry, Content content, long? foundBytes)
{
    /// <summary>Longer writes make the kernel look for longer runs of free memory, which took twice the time.</summary>
    private const int WriteBytesMax = 256 * 1024;

    /// <summary>For less it is not worth opening the file once more.</summary>
    private const int DirectBytesMin = 1024 * 1024;

    private Descriptor? _file;
    private BitArray? _partsRight;
    private long[]? _extentStarts;
    private int _chunksLeft;
    private int _writers;
    private bool _isPrepared;
    private bool _isSettled;

    internal TargetDirectory Directory => directory;

    internal TreeEntry Entry => entry;

    internal Content Content => content;

    internal byte[] Path => ByteText.Join(directory.SnapshotPath, entry.Name.Span);

    /// <summary>Something has the name already; what is right in it stays.</summary>
    internal bool Exists { get; private set; } = foundBytes is not null;

    internal bool IsOpen => _file is not null;

    /// <summary>Why it cannot be completed; the first reason stays.</summary>
    internal string? Failure { get; private set; }

    /// <summary>Bytes of it were written, or would be.</summary>
    internal bool IsChanged => !Exists || foundBytes != entry.Size || !IsRight;

    internal void Fail(string reason) => Failure ??= reason;

    /// <summary>True for the call that delivers the last chunks. Under the item's lock.</summary>
    internal bool CountChunks(int count) => (_chunksLeft -= count) == 0;

    /// <summary>
    /// Reads some parts of the file that has the name already and notes those whose bytes have the wanted chunk's id: they need not come
    /// from the vault. What cannot be read is simply wanted.
    /// </summary>
    /// <param name="parts">Which.</param>
    /// <param name="offset">Where the first of them begins in the content.</param>
    /// <param name="reader">Tells the ids that bytes have.</param>
    /// <returns>Bytes that are right.</returns>
    internal long Compare(Range parts, long offset, VaultReader reader)
    {
        if (directory.Open(out var parent).IsError || parent!.OpenForReading(entry.Name.Span, out var file).IsError)
            return 0;
        long right = 0;
        using (file)
        {
            for (var part = parts.Start.Value; part < parts.End.Value; offset += content.Parts[part++].Length)
            {
                if (!IsSame(file!, offset, content.Parts[part], reader))
                    continue;
                right += content.Parts[part].Length;
                lock (this)
                    (_partsRight ??= new BitArray(content.Parts.Length))[part] = true;
            }
        }

        return right;
    }

    /// <summary>
    /// Settles which parts the vault must give, after the comparison. A file that cannot be changed in place (a running program, for
    /// example) is replaced, and then all of it is wanted.
    /// </summary>
    internal IEnumerable<(ContentPart Part, long Offset)> Wanted(RestoreSettings settings)
    {
        if (Exists && NeedsWriting && !settings.DryRun)
        {
            var error = Open();
            Close();
            if (error.IsError)
                Fail($"{error}.");
        }

        _isSettled = true;
        if (!Exists)
            _partsRight = null;
        var wanted = new List<(ContentPart, long)>();
        long offset = 0;
        for (var part = 0; part < content.Parts.Length && Failure is null; offset += content.Parts[part++].Length)
        {
            if (_partsRight is null || !_partsRight[part])
                wanted.Add((content.Parts[part], offset));
        }

        _chunksLeft = wanted.Count;
        return wanted;
    }

    /// <summary>Opens the file for a thread that is about to call <see cref="Write"/>. Under the item's lock.</summary>
    /// <returns>False when the item has failed.</returns>
    internal bool BeginWrite()
    {
        if (Failure is null && Open() is { IsError: true } error)
            Take(error);
        if (Failure is not null)
            return false;
        _writers++;
        return true;
    }

    /// <summary>Writes bytes of the content; several threads may at once, without the lock.</summary>
    /// <param name="contentOffset">Where in the content.</param>
    /// <param name="data">What.</param>
    /// <param name="beginFlush">Let it go to the disk at once; otherwise the kernel decides when.</param>
    internal void Write(long contentOffset, ReadOnlySpan<byte> data, bool beginFlush)
    {
        var error = Errno.None;
        if (entry.Extents is null)
        {
            if (beginFlush && data.Length >= DirectBytesMin && !directory.Open(out var parent).IsError && parent!.TryWriteDirect(entry.Name.Span, data, contentOffset))
                return;
            for (var at = 0; at < data.Length && !error.IsError; at += WriteBytesMax)
            {
                var piece = data.Slice(at, Math.Min(WriteBytesMax, data.Length - at));
                error = _file!.Write(piece, contentOffset + at);
                if (beginFlush && !error.IsError)
                    _file.BeginFlush(contentOffset + at, piece.Length);
            }
        }
        else
        {
            foreach (var (offset, start, length) in Stretches(contentOffset, data.Length))
            {
                if (!error.IsError)
                    error = _file!.Write(data.Slice(start, length), offset);
            }
        }

        if (error.IsError)
            Take(error);
    }

    /// <summary>Under the item's lock.</summary>
    internal void EndWrite() => _writers--;

    /// <summary>Nobody is writing: it may be closed to make room. Under the item's lock.</summary>
    internal bool IsIdle => _writers == 0;

    /// <summary>Opens or makes the file. Until what is wanted of it is settled, what cannot be changed in place is replaced.</summary>
    internal Errno Open()
    {
        if (_file is not null)
            return Errno.None;
        var error = directory.Open(out var parent);
        if (error.IsError)
            return error;
        var name = entry.Name.Span;
        if (Exists)
        {
            // What is right already only gets its metadata, for which reading is enough: a running program stays.
            error = NeedsWriting ? parent!.OpenForWriting(name, create: false, out _file) : parent!.OpenForReading(name, out _file);
            if (!error.IsError || _isSettled)
                return error;
            Exists = false;
            error = parent!.RemoveFile(name);
            if (error.IsError)
                return error;
        }

        error = parent!.OpenForWriting(name, create: !_isPrepared, out _file);
        _isPrepared = true;
        return error;
    }

    /// <summary>Gives the file its exact length and its holes. Under the item's lock, when all chunks are there.</summary>
    internal Errno Shape()
    {
        if (!Exists && entry.Extents is null)
            return Errno.None;
        if (Exists && foundBytes == entry.Size && entry.Extents is null)
            return Errno.None;
        var truncated = _file!.Truncate(entry.Size);
        if (truncated.IsError || !Exists || entry.Extents is null)
            return truncated;
        long end = 0;
        foreach (var extent in entry.Extents.Append(new Extent(entry.Size, 0)))
        {
            if (extent.Offset > end && _file.PunchHole(end, extent.Offset - end) is { IsError: true } punched)
                return punched;
            end = extent.Offset + extent.Length;
        }

        return Errno.None;
    }

    internal Descriptor File => _file ?? throw new InvalidOperationException("The file is not open.");

    internal void Close()
    {
        _file?.Dispose();
        _file = null;
    }

    private bool NeedsWriting => IsChanged || entry.Extents is not null;

    private bool IsRight => content.Parts.Length == 0 || (_partsRight?.HasAllSet() ?? false);

    private void Take(Errno error)
    {
        if (error.IsFull)
            throw error.Failure("write", ByteText.Display(Path));
        Fail($"{error}.");
    }

    private bool IsSame(Descriptor file, long contentOffset, ContentPart wanted, VaultReader reader)
    {
        var buffer = ArrayPool<byte>.Shared.Rent((int)wanted.Length);
        try
        {
            foreach (var (offset, start, length) in Stretches(contentOffset, (int)wanted.Length))
            {
                if (file.ReadFully(buffer.AsSpan(start, length), offset, out var got).IsError || got < length)
                    return false;
            }

            return reader.Identify(buffer.AsSpan(0, (int)wanted.Length)) == wanted.Id;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Where a range of the content lies in the file: itself, or cut at the stretches of a sparse file.</summary>
    private IEnumerable<(long Offset, int Start, int Length)> Stretches(long contentOffset, int length)
    {
        if (entry.Extents is not { } extents)
        {
            yield return (contentOffset, 0, length);
            yield break;
        }

        var start = 0;
        var starts = _extentStarts ??= Starts(extents);
        var index = Array.BinarySearch(starts, contentOffset);
        for (index = index < 0 ? ~index - 1 : index; length > 0; index++)
        {
            var inside = contentOffset - starts[index];
            var count = (int)Math.Min(extents[index].Length - inside, length);
            if (count > 0)
                yield return (extents[index].Offset + inside, start, count);
            start += count;
            length -= count;
            contentOffset += count;
        }
    }

    /// <summary>Where each stretch begins in the content; a heavily sparse file has very many.</summary>
    private static long[] Starts(IReadOnlyList<Extent> extents)
    {
        var starts = new long[extents.Count];
        for (var i = 1; i < starts.Length; i++)
            starts[i] = starts[i - 1] + extents[i - 1].Length;
        return starts;
    }
}
