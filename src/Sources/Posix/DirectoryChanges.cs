namespace Backup.Sources.Posix;

/// <summary>What a restore does to the entries of an open directory. Names are single components; links are never followed.</summary>
internal static unsafe class DirectoryChanges
{
    internal static Errno MakeDirectory(this Descriptor directory, ReadOnlySpan<byte> name, uint permissions)
    {
        using var path = new PathBytes(name, stackalloc byte[PathBytes.StackBytes]);
        fixed (byte* pointer = path.Terminated)
            return Result(Libc.MakeDirectoryAt(directory.Number, pointer, permissions));
    }

    internal static Errno MakeSymbolicLink(this Descriptor directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target)
    {
        using var path = new PathBytes(name, stackalloc byte[PathBytes.StackBytes]);
        using var content = new PathBytes(target, stackalloc byte[PathBytes.StackBytes]);
        fixed (byte* pointer = path.Terminated, contentPointer = content.Terminated)
            return Result(Libc.SymbolicLinkAt(contentPointer, directory.Number, pointer));
    }

    internal static Errno MakeHardLink(this Descriptor directory, ReadOnlySpan<byte> name, Descriptor fromDirectory, ReadOnlySpan<byte> fromName)
    {
        using var path = new PathBytes(name, stackalloc byte[PathBytes.StackBytes]);
        using var from = new PathBytes(fromName, stackalloc byte[PathBytes.StackBytes]);
        fixed (byte* pointer = path.Terminated, fromPointer = from.Terminated)
            return Result(Libc.LinkAt(fromDirectory.Number, fromPointer, directory.Number, pointer, 0));
    }

    /// <summary>Makes a FIFO or a device node.</summary>
    internal static Errno MakeNode(this Descriptor directory, ReadOnlySpan<byte> name, FileType type, uint permissions, ulong device)
    {
        using var path = new PathBytes(name, stackalloc byte[PathBytes.StackBytes]);
        fixed (byte* pointer = path.Terminated)
            return Result(Libc.MakeNodeAt(directory.Number, pointer, (uint)type | permissions, device));
    }

    internal static Errno RemoveFile(this Descriptor directory, ReadOnlySpan<byte> name)
    {
        using var path = new PathBytes(name, stackalloc byte[PathBytes.StackBytes]);
        fixed (byte* pointer = path.Terminated)
            return Result(Libc.UnlinkAt(directory.Number, pointer, 0));
    }

    /// <summary>Atomically takes the place of whatever file has the new name.</summary>
    internal static Errno Rename(this Descriptor directory, ReadOnlySpan<byte> oldName, ReadOnlySpan<byte> newName)
    {
        using var from = new PathBytes(oldName, stackalloc byte[PathBytes.StackBytes]);
        using var to = new PathBytes(newName, stackalloc byte[PathBytes.StackBytes]);
        fixed (byte* fromPointer = from.Terminated, toPointer = to.Terminated)
            return Result(Libc.RenameAt(directory.Number, fromPointer, directory.Number, toPointer));
    }

    internal static Errno SetOwner(this Descriptor directory, ReadOnlySpan<byte> name, uint user, uint group)
    {
        using var path = new PathBytes(name, stackalloc byte[PathBytes.StackBytes]);
        fixed (byte* pointer = path.Terminated)
            return Result(Libc.ChangeOwnerAt(directory.Number, pointer, user, group, Libc.AtSymlinkNoFollow));
    }

    internal static Errno SetOwner(this Descriptor file, uint user, uint group) => Result(Libc.ChangeOwner(file.Number, user, group));

    internal static Errno SetMode(this Descriptor file, uint permissions) => Result(Libc.ChangeMode(file.Number, permissions));

    /// <summary>For FIFOs and devices, which are not opened. The caller has just made the node in a directory nobody else uses.</summary>
    internal static Errno SetMode(this Descriptor directory, ReadOnlySpan<byte> name, uint permissions)
    {
        using var path = new PathBytes(name, stackalloc byte[PathBytes.StackBytes]);
        fixed (byte* pointer = path.Terminated)
            return Result(Libc.ChangeModeAt(directory.Number, pointer, permissions, 0));
    }

    internal static Errno SetModified(this Descriptor file, long nanoseconds)
    {
        var times = stackalloc Libc.TimeSpec[2];
        times[0] = times[1] = FileStatus.TimeSpecOf(nanoseconds);
        return Result(Libc.SetTimes(file.Number, times));
    }

    internal static Errno SetModified(this Descriptor directory, ReadOnlySpan<byte> name, long nanoseconds)
    {
        var times = stackalloc Libc.TimeSpec[2];
        times[0] = times[1] = FileStatus.TimeSpecOf(nanoseconds);
        using var path = new PathBytes(name, stackalloc byte[PathBytes.StackBytes]);
        fixed (byte* pointer = path.Terminated)
            return Result(Libc.SetTimesAt(directory.Number, pointer, times, Libc.AtSymlinkNoFollow));
    }

    private static Errno Result(int outcome) => outcome == 0 ? Errno.None : Errno.Last;
}
