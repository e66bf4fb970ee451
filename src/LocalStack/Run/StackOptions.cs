namespace Backup.LocalStack.Run;

/// <summary>What the person asked for on the command line.</summary>
internal sealed record StackOptions
{
    /// <summary>End after the result instead of serving until Ctrl-C.</summary>
    public bool Once { get; init; }

    /// <summary>Folders of the user's to protect besides the sample data; absolute.</summary>
    public IReadOnlyList<string> Protect { get; init; } = [];

    /// <summary>A database server of the user's to protect besides the sample one.</summary>
    public string? Postgres { get; init; }

    /// <summary>Everything the stack keeps; absolute.</summary>
    public required string StateFolder { get; init; }

    /// <summary>The port of the Functions app; a free one when not set.</summary>
    public int? HttpPort { get; init; }

    /// <summary>When the schedule looks for what is due, as NCRONTAB. Often here, so that nobody waits.</summary>
    public string Timer { get; init; } = "*/5 * * * * *";

    /// <summary>Further file trees to protect, beyond sample and command line: assets made to fail, in tests.</summary>
    public IReadOnlyList<ProtectedAsset> ExtraAssets { get; init; } = [];

    /// <summary>Further vaults of the agent, by name.</summary>
    public IReadOnlyDictionary<string, VaultPlace> ExtraVaults { get; init; } = new Dictionary<string, VaultPlace>();

    /// <summary>Further sections of the policy, as YAML; none unless given.</summary>
    public string PolicySections { get; init; } = "";

    /// <summary>Further sections of the agent's configuration, as YAML; none unless given.</summary>
    public string AgentSections { get; init; } = "";

    /// <summary>Further settings of the Functions app, as environment variables.</summary>
    public IReadOnlyDictionary<string, string> FunctionsSettings { get; init; } = new Dictionary<string, string>();
}

/// <summary>A vault and the keys to it, as files.</summary>
internal sealed record VaultPlace(string Folder, string BackupKey, string RestoreKey);
