namespace Backup.LocalStack;

/// <summary>The checkout this program was built from, and the programs built beside it.</summary>
public static class Checkout
{
    private const string Marker = "BackupFunctions.sln";

    /// <summary>The top folder of the checkout: the nearest one above this program that holds the solution.</summary>
    /// <exception cref="LocalStackException">The program was moved out of its checkout.</exception>
    public static string Root { get; } = FindRoot();

    /// <summary>Where the npm manifest and lock of the local services are.</summary>
    public static string LocalInfrastructure => Path.Combine(Root, "infra", "local");

    /// <summary>The executable of another project of the checkout, of the same configuration and framework as this program.</summary>
    /// <param name="project">The project's folder below <c>src</c>.</param>
    /// <exception cref="LocalStackException">It was not built.</exception>
    public static string Program(string project)
    {
        // .../{src|tests}/{this project}/bin/{configuration}/{framework}/ : the tail is the same for every project of one build.
        var below = Path.GetRelativePath(Root, AppContext.BaseDirectory).Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries);
        var bin = Array.IndexOf(below, "bin");
        var path = bin < 0 ? null : Path.Combine([Root, "src", project, .. below[bin..], project == "Cli" ? "backupctl" : $"Backup.{project}"]);
        return path is not null && File.Exists(path)
            ? path
            : throw new LocalStackException(LocalStackFault.Prerequisite, $"src/{project} is not built: {path ?? "this program runs outside its bin folder"}",
                "Build the solution (`dotnet build`) and start again.");
    }

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, Marker)))
            {
                return folder.FullName;
            }
        }

        throw new LocalStackException(LocalStackFault.Prerequisite, $"No {Marker} above {AppContext.BaseDirectory}",
            "Run the local stack from a checkout of the repository.");
    }
}
