using Backup.Relay;
using Backup.Sources.Postgres.Wal;

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

    /// <summary>Folders on other nodes' storage that hold copies of vaults, by the name orders use. No key belongs to them.</summary>
    public IReadOnlyDictionary<string, string> Copies { get; init; } = new Dictionary<string, string>();

    /// <summary>Files holding database connection strings, by the name orders use: an order never carries a secret.</summary>
    public required IReadOnlyDictionary<string, string> ConnectionStringFiles { get; init; }

    /// <summary>Folders with PostgreSQL's programs by major version, where they are not where packages put them. Proofs of restores start them.</summary>
    public IReadOnlyDictionary<int, string> PostgresPrograms { get; init; } = new Dictionary<int, string>();

    /// <summary>What orders may have done around backups, by the name they use.</summary>
    public IReadOnlyDictionary<string, HookSettings> Hooks { get; init; } = new Dictionary<string, HookSettings>();

    /// <summary>Connections whose server's log is received continuously.</summary>
    public IReadOnlyList<WalSettings> WalReceivers { get; init; } = [];

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

    /// <summary>Name of the shared access rule that grants Listen; null with <see cref="Identity"/>.</summary>
    public string? KeyName { get; init; }

    /// <summary>File holding that rule's key; null with <see cref="Identity"/>.</summary>
    public string? KeyFile { get; init; }

    /// <summary>The Entra ID identity with the role Azure Relay Listener, in place of a key.</summary>
    public RelayIdentity? Identity { get; init; }

    /// <summary>PEM certificate to trust besides the system's, for a local relay; null: only the system's.</summary>
    public string? TrustedCertificateFile { get; init; }
}

/// <summary>A PostgreSQL server's log, received all the time.</summary>
internal sealed record WalSettings
{
    /// <summary>The connection, by the name it has in the configuration.</summary>
    public required string Connection { get; init; }

    /// <summary>The vault it goes to, by the name it has in the configuration.</summary>
    public required string Vault { get; init; }

    /// <summary>The cluster's asset name, as its base backups have it.</summary>
    public required string Asset { get; init; }

    /// <summary>The replication slot; null for one named after the asset.</summary>
    public string? Slot { get; init; }

    /// <summary>How long a commit may take into the vault, in seconds.</summary>
    /// <value>1 to 3600, by default 5.</value>
    public int DurableWithinSeconds { get; init; } = 5;

    /// <summary>How much log the server may keep for us, in MiB, before <see cref="WhenSlotBehind"/> applies.</summary>
    /// <value>64 to 1048576, by default 16384.</value>
    public int SlotMebibytesMax { get; init; } = 16384;

    /// <summary>What happens then.</summary>
    public SlotPolicy WhenSlotBehind { get; init; } = SlotPolicy.AlertOnly;
}

/// <summary>One vault and the keys this agent may use with it.</summary>
internal sealed record VaultSettings
{
    /// <summary>An absolute folder, or the URL of a blob container.</summary>
    public required string Location { get; init; }

    /// <summary>Key that adds and deduplicates but cannot read content; null for a vault that this agent only copies from.</summary>
    public string? BackupKeyFile { get; init; }

    /// <summary>Key that reads content; null where restores must not run.</summary>
    public string? RestoreKeyFile { get; init; }

    /// <summary>File holding a SAS or connection string for a vault in blob storage; null: the machine's Azure identity.</summary>
    public string? CredentialFile { get; init; }

    /// <summary>A restore key that orders to prune use; null, as on every agent that only backs up: this agent deletes nothing.</summary>
    public string? PruneKeyFile { get; init; }

    /// <summary>For a vault in blob storage: a credential that may delete, used by orders to prune only; null: <see cref="CredentialFile"/>.</summary>
    public string? PruneCredentialFile { get; init; }
}
