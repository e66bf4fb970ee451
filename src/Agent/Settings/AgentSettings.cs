namespace Backup.Agent.Settings;

/// <summary>Everything the agent is told by its configuration file. It holds paths of secrets, never a secret.</summary>
internal sealed record AgentSettings
{
    public required string Name { get; init; }

    public required string Site { get; init; }

    public required RelaySettings Relay { get; init; }

    /// <summary>The agent's private identity; null for an enrolled agent, whose keys lie in the state folder.</summary>
    public string? IdentityFile { get; init; }

    /// <summary>The control plane's public identity; set exactly with <see cref="IdentityFile"/>.</summary>
    public string? ControlPlaneFile { get; init; }

    public required string StateFolder { get; init; }

    /// <summary>Vaults by the name orders use.</summary>
    public required IReadOnlyDictionary<string, VaultSettings> Vaults { get; init; }

    /// <summary>Files holding database connection strings, by the name orders use: an order never carries a secret.</summary>
    public required IReadOnlyDictionary<string, string> ConnectionStringFiles { get; init; }

    /// <summary>Roots below which files may be read. Empty: no file backups at all.</summary>
    public required IReadOnlyList<string> AllowedSources { get; init; }

    /// <summary>Roots below which restores may write. Empty: no restores at all.</summary>
    public required IReadOnlyList<string> RestoreRoots { get; init; }

    /// <summary>Jobs that run at the same time; the others wait in order of arrival.</summary>
    /// <value>1 to 16, by default <see cref="ConcurrentJobsDefault"/>.</value>
    public int ConcurrentJobs { get; init; } = ConcurrentJobsDefault;

    public const int ConcurrentJobsDefault = 2;
    public const int ConcurrentJobsMax = 16;
}

/// <summary>Where the agent listens for orders.</summary>
internal sealed record RelaySettings
{
    /// <summary><c>sb://host[:port]</c> of the relay namespace.</summary>
    public required Uri Endpoint { get; init; }

    /// <summary>Path of the agent's entity in that namespace.</summary>
    public required string Path { get; init; }

    /// <summary>Name of the shared access rule that grants Listen.</summary>
    public required string KeyName { get; init; }

    /// <summary>File holding that rule's key.</summary>
    public required string KeyFile { get; init; }

    /// <summary>PEM certificate to trust besides the system's, for a local relay; null: only the system's.</summary>
    public string? TrustedCertificateFile { get; init; }
}

/// <summary>One vault and the keys this agent may use with it.</summary>
internal sealed record VaultSettings
{
    /// <summary>An absolute folder, or the URL of a blob container.</summary>
    public required string Location { get; init; }

    /// <summary>Key that adds and deduplicates but cannot read content.</summary>
    public required string BackupKeyFile { get; init; }

    /// <summary>Key that reads content; null where restores must not run.</summary>
    public string? RestoreKeyFile { get; init; }

    /// <summary>File holding a SAS or connection string for a vault in blob storage; null: the machine's Azure identity.</summary>
    public string? CredentialFile { get; init; }
}
