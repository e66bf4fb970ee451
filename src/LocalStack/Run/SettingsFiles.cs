using System.Text.Json;
using Backup.LocalStack.Services;

namespace Backup.LocalStack.Run;

/// <summary>Writes what our programs read at start: policy, agent configuration, emulator configuration. Rewritten at every start, since ports may change.</summary>
internal sealed class SettingsFiles(StackFolders folders, Secrets secrets)
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    public string Policy => Path.Combine(folders.Settings, "policy.yaml");

    public string Agent => Path.Combine(folders.Settings, "agent.yaml");

    public string Emulator => Path.Combine(folders.Settings, "relay-emulator.json");

    public async Task WriteAsync(
        StackOptions options, IReadOnlyList<ProtectedAsset> assets, int relayPort, IReadOnlyDictionary<string, string> connections, string postgresPrograms, CancellationToken cancel)
    {
        var sample = await File.ReadAllTextAsync(Path.Combine(Checkout.LocalInfrastructure, "policy.yaml"), cancel).ConfigureAwait(false);
        await File.WriteAllTextAsync(Policy, ProtectedAssets.Policy(sample, folders, assets, options.PolicySections), cancel).ConfigureAwait(false);
        foreach (var (name, connectionString) in connections)
        {
            await PrivateFile.WriteAsync(secrets.Connection(name), connectionString, cancel).ConfigureAwait(false);
        }

        await File.WriteAllTextAsync(Emulator, EmulatorSettings(relayPort), cancel).ConfigureAwait(false);
        Dictionary<string, VaultPlace> vaults = new(options.ExtraVaults) { ["main"] = new VaultPlace(folders.Vault, secrets.BackupKey, secrets.RestoreKey) };
        await File.WriteAllTextAsync(Agent, AgentSettings(assets, relayPort, connections.Keys, vaults, postgresPrograms) + options.AgentSections, cancel).ConfigureAwait(false);
    }

    private string AgentSettings(IEnumerable<ProtectedAsset> assets, int relayPort, IEnumerable<string> connections, IReadOnlyDictionary<string, VaultPlace> vaults, string postgresPrograms) =>
        $"""
        name: {Stack.AgentName}
        site: lab
        relay:
          endpoint: "sb://localhost:{relayPort}"
          path: {Stack.AgentPath}
          keyName: {Stack.RelayListenRule}
          keyFile: {Q(secrets.RelayListenKey)}
          trustedCertificateFile: {Q(secrets.RelayCertificate)}
        stateFolder: {Q(folders.Agent)}
        vaults:
        {string.Join('\n', vaults.Select(v => $"  {v.Key}:\n    path: {Q(v.Value.Folder)}\n    backupKeyFile: {Q(v.Value.BackupKey)}\n    restoreKeyFile: {Q(v.Value.RestoreKey)}\n    pruneKeyFile: {Q(v.Value.RestoreKey)}"))}
        copies:
          second-node: {Q(folders.SecondNode)}
        connections:
        {string.Join('\n', connections.Select(name => $"  {name}:\n    connectionStringFile: {Q(secrets.Connection(name))}{Log(name)}"))}
        postgresPrograms:
          18: {Q(postgresPrograms)}
        allowedSources: [ {string.Join(", ", assets.Where(a => !a.IsDatabase).Select(a => Q(a.Original!)))} ]
        restoreRoots: [ {Q(folders.Restores)} ]

        """;

    // Not of a server of the user's: a replication slot keeps its log for as long as this stack is away.
    private static string Log(string connection) => connection == ProtectedAssets.SampleDatabase ? $"\n    wal: {{ vault: main, asset: {connection} }}" : "";

    private string EmulatorSettings(int port) => JsonSerializer.Serialize(
        new
        {
            port,
            certificateFile = secrets.RelayCertificate,
            certificateKeyFile = secrets.RelayCertificateKey,
            rules = new[] { Rule(Stack.RelayListenRule, secrets.RelayListenKey, "Listen"), Rule(Stack.RelaySendRule, secrets.RelaySendKey, "Send") },
            entities = new[] { new { path = Stack.AgentPath } },
        },
        Indented);

    private static object Rule(string name, string keyFile, string right) => new { name, keyFile, rights = new[] { right } };

    private static string Q(string text) => ProtectedAssets.Quoted(text);
}
