namespace Backup.Agent.Hosting;

/// <summary>What the agent is started for.</summary>
internal enum AgentVerb
{
    /// <summary>Listen for orders and do them.</summary>
    Run,

    /// <summary>Only say whether the configuration is sound.</summary>
    Check,

    /// <summary>Tie the agent to a control plane with a one-time code.</summary>
    Enroll,

    /// <summary>List the keys.</summary>
    Keys,

    /// <summary>Stop trusting a key of the control plane.</summary>
    Distrust,

    /// <summary>Print a text and end.</summary>
    Say,
}

/// <summary>What the agent's command line asks for.</summary>
internal sealed record AgentArguments(AgentVerb Verb)
{
    // There is no option that takes the code itself: arguments can be read by every user of the machine.
    public const string Usage = """
        Usage: Backup.Agent --config FILE [--check]
               Backup.Agent enroll --config FILE --control-plane URL [--code-file FILE] [--replace]
               Backup.Agent keys --config FILE
               Backup.Agent distrust KEY-ID --config FILE

          --config FILE        the agent's configuration (YAML)
          --check              only say whether the configuration is free of mistakes
          --control-plane URL  where the control plane's HTTP interface is (https, or http on this machine)
          --code-file FILE     read the enrolment code from a file; without it from standard input
          --replace            throw away the keys of an earlier enrolment
          --version            print the version
          --help               print this
        """;

    /// <summary>The configuration; empty only when a text is wanted.</summary>
    public string ConfigFile { get; init; } = "";

    /// <summary>With <see cref="AgentVerb.Enroll"/>.</summary>
    public Uri? ControlPlane { get; init; }

    /// <summary>With <see cref="AgentVerb.Enroll"/>; null for standard input.</summary>
    public string? CodeFile { get; init; }

    /// <summary>With <see cref="AgentVerb.Enroll"/>.</summary>
    public bool Replaces { get; init; }

    /// <summary>With <see cref="AgentVerb.Distrust"/>.</summary>
    public string KeyId { get; init; } = "";

    /// <summary>With <see cref="AgentVerb.Say"/>.</summary>
    public string Text { get; init; } = "";

    /// <summary>Reads a command line; null when it is wrong.</summary>
    public static AgentArguments? Parse(IReadOnlyList<string> arguments, string version)
    {
        if (arguments.Contains("--version"))
        {
            return new AgentArguments(AgentVerb.Say) { Text = version };
        }

        if (arguments.Contains("--help") || arguments.Contains("-h"))
        {
            return new AgentArguments(AgentVerb.Say) { Text = Usage };
        }

        var (read, next) = arguments switch
        {
            ["enroll", ..] => (new AgentArguments(AgentVerb.Enroll), 1),
            ["keys", ..] => (new AgentArguments(AgentVerb.Keys), 1),
            ["distrust", var key, ..] when !key.StartsWith('-') => (new AgentArguments(AgentVerb.Distrust) { KeyId = key }, 2),
            _ => (new AgentArguments(AgentVerb.Run), 0),
        };
        for (AgentArguments? more = read; next < arguments.Count; read = more)
        {
            var value = next + 1 < arguments.Count ? arguments[next + 1] : null;
            more = (arguments[next], read.Verb) switch
            {
                ("--config", _) when value is not null && read.ConfigFile.Length == 0 => read with { ConfigFile = value },
                ("--check", AgentVerb.Run) => read with { Verb = AgentVerb.Check },
                ("--replace", AgentVerb.Enroll) => read with { Replaces = true },
                ("--code-file", AgentVerb.Enroll) when value is not null => read with { CodeFile = value },
                ("--control-plane", AgentVerb.Enroll) when Address(value) is { } address => read with { ControlPlane = address },
                _ => null,
            };
            if (more is null)
            {
                return null;
            }

            next += arguments[next] is "--check" or "--replace" ? 1 : 2;
        }

        return read.ConfigFile.Length > 0 && (read.Verb == AgentVerb.Enroll) == (read.ControlPlane is not null) ? read : null;
    }

    private static Uri? Address(string? text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var uri) && (uri.Scheme == Uri.UriSchemeHttps || (uri.Scheme == Uri.UriSchemeHttp && uri.IsLoopback)) && uri.Query.Length == 0 ? uri : null;
}
