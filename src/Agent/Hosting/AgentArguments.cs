namespace Backup.Agent.Hosting;

/// <summary>What the agent's command line asks for.</summary>
/// <param name="ConfigFile">The configuration; null when only help or the version is wanted.</param>
/// <param name="ChecksOnly">Read the configuration, say whether it is sound, and end.</param>
/// <param name="Text">What to print instead of running; null to run.</param>
internal sealed record AgentArguments(string? ConfigFile, bool ChecksOnly, string? Text)
{
    public const string Usage = """
        Usage: Backup.Agent --config FILE [--check]

          --config FILE  the agent's configuration (YAML)
          --check        only say whether the configuration is free of mistakes
          --version      print the version
          --help         print this
        """;

    /// <summary>Reads a command line; null when it is wrong.</summary>
    public static AgentArguments? Parse(IReadOnlyList<string> arguments, string version)
    {
        string? config = null;
        var checks = false;
        for (var i = 0; i < arguments.Count; i++)
        {
            switch (arguments[i])
            {
                case "--version":
                    return new AgentArguments(null, false, version);
                case "--help" or "-h":
                    return new AgentArguments(null, false, Usage);
                case "--check":
                    checks = true;
                    break;
                case "--config" when i + 1 < arguments.Count && config is null:
                    config = arguments[++i];
                    break;
                default:
                    return null;
            }
        }

        return config is null ? null : new AgentArguments(config, checks, null);
    }
}
