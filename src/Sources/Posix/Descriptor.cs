namespace Backup.Sources.Posix;

/// <summary>
/// An open file or directory. Every name is looked up relative to a directory's descriptor and never through a symbolic link in
/// the last component: no path has a length limit, and nobody can redirect us by swapping a directory for a link.
/// Calls that may fail in the ordinary course of a backup return an <see cref="Errno"/>.
/// </summary>
internal sealed unsafe class Descriptor : IDisposable
{
    /// <summary>Blocks of no disk in use are longer.</summary>
    internal const int DirectAlignment = 4096;

    private int _number;

    private Descriptor(int number) => _number = number;

    internal int Number => _number >= 0 ? _number : throw new ObjectDisposedException(nameof(Descriptor));

    internal static Errno OpenRoot(out Descriptor? root) => Open(Libc.AtFdCwd, "/"u8, Libc.ReadOnly | Libc.DirectoryOnly, 0, out root);

    internal Errno OpenDirectory(ReadOnlySpan<byte> name, out Descriptor? directory) =>
        Open(Number, name, Libc.ReadOnly | Libc.DirectoryOnly | Libc.NoFollow, 0, out directory);

    /// <summary>
    /// Opens for reading, leaving the access time alone where that is allowed (owner or root). Never blocks on a FIFO that took
    /// the file's place.
    /// </summary>
    internal Errno OpenForReading(ReadOnlySpan<byte> name, out Descriptor? file)
    {
        const int flags = Libc.ReadOnly | Libc.NonBlocking;
        var error = Open(Number, name, flags | Libc.NoFollow | Libc.NoAccessTime, 0, out file);
        return error == Errno.NotPermitted ? Open(Number, name, flags | Libc.NoFollow, 0, out file) : error;
    }

    internal Errno OpenForWriting(ReadOnlySpan<byte> name, bool create, out Descriptor? file) =>
        Open(Number, name, Libc.ReadWrite | Libc.NoFollow | Libc.NonBlocking | (create ? Libc.Create | Libc.Exclusive : 0), 0x180, out file);

    internal Errno Status(out FileStatus status) => StatusAt(Number, ""u8, Libc.AtEmptyPath, out status);

    internal Errno Status(ReadOnlySpan<byte> name, out FileStatus status) => StatusAt(Number, name, Libc.AtSymlinkNoFollow, out status);

    /// <summary>Reads at an offset; 0 at the end of the file. Interrupted calls are repeated.</summary>
    internal Errno Read(Span<byte> buffer, long offset, out int count)
    {
        fixed (byte* start = buffer)
        {
            while (true)
            {
                var result = Libc.PositionalRead(Number, start, (nuint)buffer.Length, offset);
                count = (int)Math.Max(result, 0);
                if (result >= 0)
                    return Errno.None;
                if (Errno.Last != Errno.Interrupted)
                    return Errno.Last;
            }
        }
    }

    /// <summary>Fills the buffer unless the file ends first.</summary>
    internal Errno ReadFully(Span<byte> buffer, long offset, out int count)
    {
        count = 0;
        while (count < buffer.Length)
        {
            var error = Read(buffer[count..], offset + count, out var got);
            if (error.IsError || got == 0)
                return error;
            count += got;
        }

        return Errno.None;
    }

    internal Errno Write(ReadOnlySpan<byte> content, long offset)
    {
        fixed (byte* start = content)
        {
            for (var done = 0; done < content.Length;)
            {
                var result = Libc.PositionalWrite(Number, start + done, (nuint)(content.Length - done), offset + done);
                if (result > 0)
                    done += (int)result;
                else if (result == 0)
                    return Errno.NoSpace;
                else if (Errno.Last != Errno.Interrupted)
                    return Errno.Last;
            }
        }

        return Errno.None;
    }

    /// <summary>
    /// Writes to a file of this directory without the kernel's cache, which takes less than half of the time that writing and flushing do. What is written so is durable when
    /// <see cref="SyncFileSystem"/> returns, like everything else.
    /// </summary>
    /// <returns>False when this cannot be: bytes, offset or length are not aligned to <see cref="DirectAlignment"/>, or the file system or disk would not. Some of it may be written then.</returns>
    internal bool TryWriteDirect(ReadOnlySpan<byte> name, ReadOnlySpan<byte> content, long offset)
    {
        fixed (byte* start = content)
        {
            if (((nuint)start | (nuint)offset | (nuint)content.Length) % DirectAlignment != 0)
                return false;
        }

        if (Open(Number, name, Libc.WriteOnly | Libc.Direct | Libc.NoFollow | Libc.NonBlocking, 0, out var file).IsError)
            return false;
        using (file)
            return !file!.Write(content, offset).IsError;
    }

    /// <summary>
    /// Lets the disk begin with what was written, so that a later flush finds little left. Only a wish: whatever comes of it, that flush reports it.
    /// </summary>
    internal void BeginFlush(long offset, long length) => _ = Libc.SyncRange(Number, offset, length, Libc.SyncRangeStart);

    internal Errno Truncate(long length) => Result(Libc.Truncate(Number, length));

    /// <summary>Gives the range back to the file system; it reads as zeros afterwards.</summary>
    internal Errno PunchHole(long offset, long length) =>
        Result(Libc.Fallocate(Number, Libc.FallocateKeepSize | Libc.FallocatePunchHole, offset, length));

    internal Errno Sync() => Result(Libc.Sync(Number));

    /// <summary>Makes everything durable that was written to the file system this is on; reports what could not be written.</summary>
    internal Errno SyncFileSystem() => Result(Libc.SyncFileSystem(Number));

    /// <summary>The next byte at or after the offset that is data; the file's length when only a hole follows.</summary>
    internal Errno NextData(long offset, long length, out long data)
    {
        data = Libc.Seek(Number, offset, Libc.SeekData);
        if (data >= 0)
            return Errno.None;
        data = length;
        return Errno.Last == Errno.NoSuchDevice ? Errno.None : Errno.Last;
    }

    internal Errno NextHole(long offset, out long hole)
    {
        hole = Libc.Seek(Number, offset, Libc.SeekHole);
        return hole >= 0 ? Errno.None : Errno.Last;
    }

    internal Errno ReadLink(ReadOnlySpan<byte> name, out byte[] target)
    {
        target = [];
        using var path = new PathBytes(name, stackalloc byte[PathBytes.StackBytes]);
        var buffer = stackalloc byte[4096];
        fixed (byte* pointer = path.Terminated)
        {
            var length = Libc.ReadLinkAt(Number, pointer, buffer, 4096);
            if (length < 0)
                return Errno.Last;
            target = new ReadOnlySpan<byte>(buffer, (int)length).ToArray();
            return Errno.None;
        }
    }

    internal static Errno Open(int directory, ReadOnlySpan<byte> name, int flags, uint mode, out Descriptor? opened)
    {
        using var path = new PathBytes(name, stackalloc byte[PathBytes.StackBytes]);
        fixed (byte* pointer = path.Terminated)
        {
            while (true)
            {
                var number = Libc.OpenAt(directory, pointer, flags | Libc.CloseOnExec, mode);
                opened = number >= 0 ? new Descriptor(number) : null;
                if (number >= 0)
                    return Errno.None;
                if (Errno.Last != Errno.Interrupted)
                    return Errno.Last;
            }
        }
    }

    /// <summary>Closes. The result is not looked at: what was written is made durable by <see cref="Sync"/>, which reports.</summary>
    public void Dispose()
    {
        var number = Interlocked.Exchange(ref _number, -1);
        if (number >= 0)
            _ = Libc.Close(number);
    }

    private static Errno StatusAt(int directory, ReadOnlySpan<byte> name, int flags, out FileStatus status)
    {
        const uint basicStatus = 0x7FF;
        using var path = new PathBytes(name, stackalloc byte[PathBytes.StackBytes]);
        Libc.StatXBuffer raw;
        fixed (byte* pointer = path.Terminated)
        {
            if (Libc.StatX(directory, pointer, flags, basicStatus, &raw) != 0)
            {
                status = default;
                return Errno.Last;
            }
        }

        status = FileStatus.From(raw);
        return Errno.None;
    }

    private static Errno Result(int outcome) => outcome == 0 ? Errno.None : Errno.Last;
}
