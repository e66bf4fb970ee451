using Backup.LocalStack.Services;

namespace Backup.LocalStack.SampleData;

/// <summary>Makes a folder of sample files once, whole or not at all.</summary>
internal static class SampleFiles
{
    /// <summary>Fills the folder unless it exists; what an interrupted start left half done is made again.</summary>
    public static async Task EnsureAsync(string folder, Action<string> create, CancellationToken cancel)
    {
        if (Directory.Exists(folder))
        {
            return;
        }

        var partial = folder + ".partial";
        await RemoveTree.IfExistsAsync(partial, cancel).ConfigureAwait(false);
        Directory.CreateDirectory(partial);
        await Task.Run(() => create(partial), cancel).ConfigureAwait(false);
        // The final name appears only with everything in place.
        Directory.Move(partial, folder);
    }
}
