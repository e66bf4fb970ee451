namespace Backup.LocalStack.Services;

/// <summary>Files only their owner may read: keys and passwords.</summary>
internal static class PrivateFile
{
    /// <summary>Writes the file whole or not at all, readable by its owner only from its first byte on.</summary>
    public static async Task WriteAsync(string path, string content, CancellationToken cancel)
    {
        var partial = path + ".partial";
        File.Delete(partial);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite };
        await using (var writer = new StreamWriter(partial, options))
        {
            await writer.WriteAsync(content.AsMemory(), cancel).ConfigureAwait(false);
        }

        File.Move(partial, path, overwrite: true);
    }
}
