using Microsoft.Win32.SafeHandles;

namespace Backup.Cli.Output;

/// <summary>
/// The descriptors of standard input, output and error, which whoever starts the program may have closed. The next files to be opened would get their numbers,
/// and what is meant for a person would be written into an object of the vault.
/// </summary>
internal static class StandardDescriptors
{
    private const int Last = 2;

    /// <summary>Kept for the life of the process.</summary>
    private static readonly List<SafeFileHandle> Held = [];

    /// <summary>Opens those that are closed, for reading only: results that cannot be written stay a failure.</summary>
    internal static void Occupy()
    {
        while (true)
        {
            // The system gives the lowest number that is free.
            var next = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            if (next.DangerousGetHandle() > Last)
            {
                next.Dispose();
                return;
            }

            Held.Add(next);
        }
    }
}
