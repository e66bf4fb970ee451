namespace Backup.Architecture.Tests;

/// <summary>The checkout the tests were built from.</summary>
internal static class Checkout
{
    public static string Root { get; } = FindRoot();

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "BackupFunctions.sln")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException($"No BackupFunctions.sln above {AppContext.BaseDirectory}");
    }
}
