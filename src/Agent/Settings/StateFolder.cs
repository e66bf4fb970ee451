namespace Backup.Agent.Settings;

/// <summary>The agent's own folder, held by one process at a time: two agents on one journal would both run its jobs.</summary>
internal sealed class StateFolder : IDisposable
{
    private readonly FileStream _lock;

    private StateFolder(string root, FileStream heldLock)
    {
        Root = root;
        _lock = heldLock;
    }

    public string Root { get; }

    public string JournalFile => Path.Combine(Root, "jobs.journal");

    /// <summary>The keys of an enrolled agent.</summary>
    public string KeyFile => Path.Combine(Root, "keys.json");

    /// <summary>The identity of an enrolment under way.</summary>
    public string EnrollingFile => Path.Combine(Root, "enrolling.identity");

    /// <summary>Scratch space and caches of jobs; nothing in it is missed when it is deleted between jobs.</summary>
    public string CacheFolder => Path.Combine(Root, "cache");

    /// <summary>Creates the folder when needed, for its owner only, and takes it.</summary>
    /// <exception cref="AgentException">Another process holds it, or it cannot be written.</exception>
    public static StateFolder Take(string root)
    {
        try
        {
            if (OperatingSystem.IsWindows())
            {
                Directory.CreateDirectory(root);
            }
            else
            {
                Directory.CreateDirectory(root, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unavailable(root, e);
        }

        try
        {
            // The kernel drops this lock when the process dies, however it dies.
            var held = new FileStream(Path.Combine(root, "agent.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            return new StateFolder(root, held);
        }
        catch (UnauthorizedAccessException e)
        {
            throw Unavailable(root, e);
        }
        catch (IOException e)
        {
            throw new AgentException(
                AgentFault.StateFolderInUse, $"The state folder {root} is held by another agent process.",
                "Stop the other agent, or give this one a state folder of its own.", e);
        }
    }

    public void Dispose() => _lock.Dispose();

    private static AgentException Unavailable(string root, Exception e) => new(
        AgentFault.StateFolderUnavailable, $"The state folder {root} cannot be used: {e.Message}",
        "Give the agent's user a folder it may write, on a disk with free space.", e);
}
