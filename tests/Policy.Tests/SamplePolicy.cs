namespace Backup.Policy.Tests;

internal static class SamplePolicy
{
    public const string Text = """
        version: 1
        sites:
          - { name: lab, timeZone: Europe/Berlin }
        tiers:
          - { name: offsite-hot, container: vault-replica-hot, accessTier: Hot }
          - { name: offsite-cold, container: "cold-{agent}-{vault}", accessTier: Cold }
        agents:
          - { name: lab-agent-1, site: lab, relayPath: agents/lab-agent-1, concurrency: 3 }
          - { name: lab-agent-2, site: lab }
        serviceClasses:
          - { name: research, rpo: 30min }
          - { name: weekly, rto: 2d, rpo: 7d }
        dataClasses:
          - { name: published, replicateTo: [offsite-hot, offsite-cold] }
        assets:
          - name: voids-db
            kind: postgres
            agent: lab-agent-1
            vault: main
            serviceClass: critical
            dataClass: active
            connection: voids
            replicateTo: [offsite-hot]
          - name: fits-files
            kind: files
            agent: lab-agent-1
            vault: main
            serviceClass: archival
            dataClass: published
            paths: [/data/fits, /data/spectra]
            excludes: ["*.tmp"]
            oneFileSystem: true
            window: { from: "22:00", to: "06:00" }
        """;

    public static PolicyDocument Policy => PolicyParser.Parse(Text, "policy.yaml");

    /// <summary>A policy of one agent per given concurrency and files assets spread over them.</summary>
    public static PolicyDocument Of(IReadOnlyList<int> concurrency, IReadOnlyList<(int Agent, TimeSpan Rpo, BackupWindow? Window)> assets)
    {
        var site = new Site(new("lab"), TimeZoneInfo.Utc);
        var agents = concurrency.Select((c, i) => new Agent(new($"agent-{i}"), site.Name, $"agents/agent-{i}", c)).ToArray();
        var classes = assets.Select((a, i) => new ServiceClass(new($"class-{i}"), TimeSpan.FromHours(1), a.Rpo)).ToArray();
        var list = assets.Select((a, i) => new Asset(
            new($"asset-{i}"), SourceKind.Files, agents[a.Agent].Name, new("main"), classes[i].Name, new("active"), null, ["/data"], [], false, null, a.Window, true));
        return new PolicyDocument([site], agents, classes, PolicyDefaults.DataClasses, [], [.. list]);
    }
}
