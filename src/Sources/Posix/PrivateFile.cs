namespace Backup.Sources.Posix;

/// <summary>A small file that nobody but its owner may read.</summary>
internal static class PrivateFile
{
    /// <summary>Read and written by the owner alone.</summary>
    internal const uint Mode = 0x180;

    /// <summary>Makes it anew, durably; whatever has the name goes.</summary>
    /// <param name="directory">Where.</param>
    /// <param name="name">Its name.</param>
    /// <param name="content">All of it.</param>
    /// <param name="owner">Whose it shall be; null for this process's own account.</param>
    internal static Errno Replace(Descriptor directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> content, (uint User, uint Group)? owner)
    {
        _ = directory.RemoveFile(name);
        var error = directory.OpenForWriting(name, create: true, out var file);
        using (file)
        {
            if (!error.IsError)
                error = file!.Write(content, 0);
            if (!error.IsError)
                error = file!.SetMode(Mode);
            if (!error.IsError && owner is { } account)
                error = file!.SetOwner(account.User, account.Group);
            if (!error.IsError)
                error = file!.Sync();
        }

        return error;
    }
}
