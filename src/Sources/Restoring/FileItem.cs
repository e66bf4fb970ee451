using System.Buffers;
using Backup.Sources.Posix;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Restoring;

/// <summary>One file being restored. Chunks come in any order and from several threads; the last one finishes it.</summary>
internal sealed class FileItem(TargetDirectory directory, TreeEntry entry, Content content, bool exists)
{
    private Descriptor? _file;
    private int _chunksLeft = content.Parts.Length;
    private bool _isPrepared;
    private bool _isChanged;

    internal TargetDirectory Directory => directory;

    internal TreeEntry Entry => entry;

    internal Content Content => content;

    internal byte[] Path => ByteText.Join(directory.SnapshotPath, entry.Name.Span);

    /// <summary>Something has the name already; it is compared, not replaced.</summary>
    internal bool Exists { get; private set; } = exists;

    internal bool IsOpen => _file is not null;

    /// <summary>Why it cannot be completed; the first reason stays.</summary>
    internal string? Failure { get; private set; }

    /// <summary>Bytes of it were written, or would be.</summary>
    internal bool IsChanged => _isChanged || !Exists;

    internal void Fail(string reason) => Failure ??= reason;

    /// <summary>True for the call that delivers the last chunk. Under the item's lock.</summary>
    internal bool CountChunk() => --_chunksLeft == 0;

    /// <summary>Compares and writes bytes of the content. Under the item's lock.</summary>
    internal void Place(long contentOffset, ReadOnlySpan<byte> data, RestoreSettings settings, RestoreCounts counts)
    {
        if (Failure is not null || (settings.DryRun && !Exists))
        {
            if (Failure is null)
                counts.AddWritten(data.Length);
            return;
        }

        var error = Open(settings);
        foreach (var (offset, start, length) in Stretches(contentOffset, data.Length))
        {
            if (error.IsError)
                break;
            var bytes = data.Slice(start, length);
            if (Exists && IsSame(bytes, offset))
                continue;
            _isChanged = true;
            counts.AddWritten(length);
            if (!settings.DryRun)
                error = _file!.Write(bytes, offset);
        }

        if (error.IsFull)
            throw error.Failure("write", ByteText.Display(Path));
        if (error.IsError)
            Fail($"{error}.");
    }

    /// <summary>Opens or makes the file. What cannot be changed in place (a running program, a file with other names) is replaced.</summary>
    internal Errno Open(RestoreSettings settings)
    {
        if (_file is not null)
            return Errno.None;
        var error = directory.Open(out var parent);
        if (error.IsError)
            return error;
        var name = entry.Name.Span;
        if (Exists)
        {
            error = settings.DryRun ? parent!.OpenForReading(name, out _file) : parent!.OpenForWriting(name, create: false, out _file);
            if (!error.IsError || settings.DryRun)
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
        if (Exists)
        {
            var error = _file!.Status(out var status);
            if (error.IsError || (status.Size == entry.Size && entry.Extents is null))
                return error;
            _isChanged |= status.Size != entry.Size;
        }

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

    private bool IsSame(ReadOnlySpan<byte> wanted, long offset)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(wanted.Length);
        try
        {
            return !_file!.ReadFully(buffer.AsSpan(0, wanted.Length), offset, out var got).IsError
                && got == wanted.Length && wanted.SequenceEqual(buffer.AsSpan(0, got));
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

        long before = 0;
        var start = 0;
        foreach (var extent in extents)
        {
            if (start == length)
                yield break;
            if (contentOffset < before + extent.Length)
            {
                var inside = contentOffset - before;
                var count = (int)Math.Min(extent.Length - inside, length - start);
                yield return (extent.Offset + inside, start, count);
                start += count;
                contentOffset += count;
            }

            before += extent.Length;
        }
    }
}
