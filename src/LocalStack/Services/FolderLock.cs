namespace Backup.LocalStack.Services;

/// <summary>One process at a time: an advisory lock on a file, released by the system when its holder dies.</summary>
internal static class FolderLock
{
    private static readonly TimeSpan RetryInterval = TimeSpan.FromMilliseconds(200);

    /// <summary>Waits for the lock.</summary>
    /// <returns>Dispose it to release.</returns>
    public static async Task<IDisposable> TakeAsync(string file, CancellationToken cancel)
    {
        while (true)
        {
            if (TryTake(file) is { } held)
            {
                return held;
            }

            // .NET offers no blocking lock on a file; the wait ends when the other process has finished installing.
            await Task.Delay(RetryInterval, cancel).ConfigureAwait(false);
        }
    }

    /// <summary>The lock, or null when another process holds it.</summary>
    public static IDisposable? TryTake(string file)
    {
        try
        {
            return new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException) when (File.Exists(file))
        {
            return null;
        }
    }
}
