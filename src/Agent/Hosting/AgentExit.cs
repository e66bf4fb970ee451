namespace Backup.Agent.Hosting;

/// <summary>Exit codes of the agent. The unit file keeps systemd from restarting after those that no restart mends.</summary>
internal static class AgentExit
{
    /// <summary>Stopped as asked.</summary>
    public const int Done = 0;

    /// <summary>Failed for a reason that may pass, such as a full disk.</summary>
    public const int Failed = 1;

    /// <summary>The command line is wrong.</summary>
    public const int Usage = 2;

    /// <summary>The configuration, a key file or the journal needs a person (EX_CONFIG).</summary>
    public const int Configuration = 78;
}
