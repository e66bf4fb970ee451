namespace Backup.LocalStack.Services;

/// <summary>Removes a folder whatever its files are called: .NET cannot delete names that are no UTF-8.</summary>
internal static class RemoveTree
{
    public static async Task IfExistsAsync(string folder, CancellationToken cancel)
    {
        if (!Directory.Exists(folder))
        {
            return;
        }

        var remove = await ProgramRun.OfAsync("rm", ["-rf", "--one-file-system", "--", folder], cancel).ConfigureAwait(false);
        if (remove.ExitCode != 0)
        {
            throw new IOException($"Removing {folder} failed: {remove.Errors.Trim()}");
        }
    }
}
