namespace Backup.Sources.Posix;

/// <summary>Opens an absolute path one component at a time, so that its length has no limit.</summary>
internal static class SafePath
{
    /// <summary>Opens a directory that a person or a server named. Symbolic links on the way are followed, as the name's giver meant them.</summary>
    internal static Errno OpenDirectory(string path, out Descriptor? directory) => OpenDirectory(ByteText.Encode(path), out directory);

    internal static Errno OpenDirectory(ReadOnlySpan<byte> path, out Descriptor? directory)
    {
        var error = Descriptor.OpenRoot(out directory);
        foreach (var component in ByteText.Split(path))
        {
            if (error.IsError)
                return error;
            using var parent = directory;
            error = Descriptor.Open(parent!.Number, component, Libc.ReadOnly | Libc.DirectoryOnly, 0, out directory);
        }

        return error;
    }

    /// <summary>Makes a directory and those above it that are missing, for one user only: the owner, or else this process's own.</summary>
    internal static Errno MakeDirectory(string path, (uint User, uint Group)? owner = null)
    {
        var error = Descriptor.OpenRoot(out var directory);
        foreach (var component in ByteText.Split(ByteText.Encode(path)))
        {
            if (error.IsError)
                return error;
            using var parent = directory!;
            error = parent.MakeDirectory(component, 0x1C0);
            if (!error.IsError && owner is { } account)
                error = parent.SetOwner(component, account.User, account.Group);
            if (!error.IsError || error == Errno.Exists)
                error = Descriptor.Open(parent.Number, component, Libc.ReadOnly | Libc.DirectoryOnly, 0, out directory);
        }

        directory?.Dispose();
        return error;
    }
}
