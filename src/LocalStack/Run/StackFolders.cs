using Backup.LocalStack.Services;

namespace Backup.LocalStack.Run;

/// <summary>Where everything of one stack lives, below one folder.</summary>
/// <param name="Root">The state folder.</param>
internal sealed record StackFolders(string Root)
{
    private const UnixFileMode PrivateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    public string Sample => Path.Combine(Root, "sample");

    public string Fits => Path.Combine(Sample, "fits");

    public string Configuration => Path.Combine(Sample, "configuration");

    public string Tablespace => Path.Combine(Sample, "tablespace");

    public string SamplePostgres => Path.Combine(Root, "postgres-sample");

    public string ControlPostgres => Path.Combine(Root, "postgres-control");

    public string Azurite => Path.Combine(Root, "azurite");

    public string Keys => Path.Combine(Root, "keys");

    public string Settings => Path.Combine(Root, "settings");

    public string Agent => Path.Combine(Root, "agent");

    public string Vault => Path.Combine(Root, "vault");

    /// <summary>Stands for the storage of another node.</summary>
    public string SecondNode => Path.Combine(Root, "second-node");

    public string Restores => Path.Combine(Root, "restores");

    public string Logs => Path.Combine(Root, "logs");

    /// <summary>Makes the folders that are missing; those with secrets for the owner only.</summary>
    public void Create()
    {
        foreach (var folder in (string[])[Root, Sample, Settings, SecondNode, Restores, Logs])
        {
            Directory.CreateDirectory(folder);
        }

        foreach (var folder in (string[])[Keys, Agent])
        {
            Directory.CreateDirectory(folder, PrivateMode);
        }
    }

    /// <summary>Keeps a second stack out of the folder while this one runs.</summary>
    /// <exception cref="LocalStackException">Another stack runs on it.</exception>
    public IDisposable Lock()
    {
        Directory.CreateDirectory(Root);
        return FolderLock.TryTake(Path.Combine(Root, ".lock"))
            ?? throw new LocalStackException(LocalStackFault.Configuration, $"Another local stack is running on {Root}", "Stop it first, or give this one its own folder with --state.");
    }
}
