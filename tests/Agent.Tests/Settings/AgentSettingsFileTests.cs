using Backup.Agent.Settings;
using Backup.Sources.Postgres.Wal;
using Shouldly;

namespace Backup.Agent.Tests.Settings;

public sealed class AgentSettingsFileTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    [Fact]
    public void Parse_FullFile_ReadsEverything()
    {
        var settings = AgentSettingsFile.Parse(Full(), "agent.yaml");

        settings.Name.ShouldBe("lab-agent-1");
        settings.Site.ShouldBe("lab");
        settings.Relay.Endpoint.ShouldBe(new Uri("sb://localhost:5443"));
        settings.Relay.Path.ShouldBe("agents/lab-agent-1");
        settings.Relay.TrustedCertificateFile.ShouldBeNull();
        settings.Vaults["main"].Location.ShouldBe("/srv/vault");
        settings.Vaults["main"].RestoreKeyFile.ShouldBeNull();
        settings.Vaults["cloud"].Location.ShouldBe("https://acc.blob.core.windows.net/vault");
        settings.ConnectionStringFiles["voids"].ShouldBe(_scratch["voids.txt"]);
        settings.AllowedSources.ShouldBe(["/srv/fits", "/"]);
        settings.RestoreRoots.ShouldBe(["/srv/restore"]);
        settings.ConcurrentJobs.ShouldBe(3);
    }

    [Fact]
    public void Parse_ManyMistakes_TellsAllWithLineAndColumn()
    {
        var text = """
            name: lab-agent-1
            sight: lab
            relay: { endpoint: "http://localhost", path: agents/a, keyName: listen, keyFile: /does/not/exist }
            identityFile: relative.key
            controlPlaneFile: [1]
            stateFolder: /var/lib/backup-agent
            vaults:
              main: { path: vault, backupKeyFile: /does/not/exist, colour: red }
              cloud: text
            allowedSources: [ /srv, here ]
            restoreRoots: /srv
            concurrentJobs: 99
            """;

        var e = Should.Throw<AgentException>(() => AgentSettingsFile.Parse(text, "agent.yaml"));

        e.Fault.ShouldBe(AgentFault.Settings);
        e.Message.ReplaceLineEndings("\n").ShouldBe("""
            The configuration holds 13 mistakes:
            agent.yaml:1:1: 'site' is missing
            agent.yaml:2:1: unknown key 'sight'; known here: allowedSources, concurrentJobs, connections, controlPlaneFile, copies, hooks, identityFile, name, postgresPrograms, relay, restoreRoots, site, stateFolder, vaults
            agent.yaml:3:20: 'relay.endpoint' must have the form sb://host or sb://host:port
            agent.yaml:3:82: 'relay.keyFile': there is no file /does/not/exist
            agent.yaml:4:15: 'identityFile' must be an absolute path
            agent.yaml:5:19: 'controlPlaneFile' must be text
            agent.yaml:8:17: 'vaults.main.path' must be an absolute folder or the URL of a blob container
            agent.yaml:8:39: 'vaults.main.backupKeyFile': there is no file /does/not/exist
            agent.yaml:8:56: unknown key 'vaults.main.colour'; known here: backupKeyFile, credentialFile, path, pruneCredentialFile, pruneKeyFile, restoreKeyFile
            agent.yaml:9:10: 'vaults.cloud' must be a mapping
            agent.yaml:10:25: 'allowedSources': here is not an absolute path
            agent.yaml:11:15: 'restoreRoots' must be a list of absolute paths
            agent.yaml:12:17: 'concurrentJobs' must be a number from 1 to 16
            Hint: Correct every line above; the agent starts only with a configuration free of mistakes.
            """);
    }

    [Theory]
    [InlineData("name: [")]
    [InlineData("name: !!/$ks+[Y x")]
    public void Parse_WhatIsNoYaml_IsAMistakeOfTheSettings(string text) =>
        Should.Throw<AgentException>(() => AgentSettingsFile.Parse(text, "agent.yaml")).Fault.ShouldBe(AgentFault.Settings);

    [Fact]
    public void Parse_ConnectionWithALog_ReadsItAndRefusesWhatDoesNotFit()
    {
        var log = (string inner) => Full().Replace("connectionStringFile: " + _scratch["voids.txt"], $"connectionStringFile: {_scratch["voids.txt"]}, wal: {{ {inner} }}", StringComparison.Ordinal);
        var one = AgentSettingsFile.Parse(log("vault: main, asset: voids, slotMaxMiB: 100, whenSlotBehind: drop-slot"), "agent.yaml").WalReceivers.ShouldHaveSingleItem();
        (one.Connection, one.Vault, one.Asset, one.DurableWithinSeconds, one.SlotMebibytesMax, one.WhenSlotBehind).ShouldBe(("voids", "main", "voids", 5, 100, SlotPolicy.DropSlot));
        AgentSettingsFile.Parse(Full(), "agent.yaml").WalReceivers.ShouldBeEmpty();

        var refused = Should.Throw<AgentException>(() => AgentSettingsFile.Parse(log("vault: nowhere, asset: voids, whenSlotBehind: panic, speed: 9"), "agent.yaml")).Message;
        refused.ShouldContain("'voids' names the vault 'nowhere'");
        refused.ShouldContain("must be alert, stop or drop-slot");
        refused.ShouldContain("unknown key 'connections.voids.wal.speed'");
    }

    [Fact]
    public void Parse_PlacesForCopies_AreReadAndHaveNamesOfTheirOwn()
    {
        var text = Full() + "\ncopies: { second: /mnt/second/copies }\n";
        AgentSettingsFile.Parse(text, "agent.yaml").Copies.ShouldBe(new Dictionary<string, string> { ["second"] = "/mnt/second/copies" });
        AgentSettingsFile.Parse(Full(), "agent.yaml").Copies.ShouldBeEmpty();
        Should.Throw<AgentException>(() => AgentSettingsFile.Parse(text.Replace("second: /", "main: /", StringComparison.Ordinal), "agent.yaml"))
            .Message.ShouldContain("has a place 'main', and there is a vault of that name");
        Should.Throw<AgentException>(() => AgentSettingsFile.Parse(text.Replace("/mnt/second", "mnt", StringComparison.Ordinal), "agent.yaml")).Message.ShouldContain("second");
    }

    [Theory]
    [InlineData("a: [", 2)]
    [InlineData("name: a\nname: b", 2)]
    [InlineData("- a", 1)]
    [InlineData("", 1)]
    public void Parse_NotOneMapping_SaysWhere(string text, int line) =>
        Should.Throw<AgentException>(() => AgentSettingsFile.Parse(text, "agent.yaml")).Message.ShouldContain($"agent.yaml:{line}:");

    [Fact]
    public void Parse_SasInVaultUrl_IsRefused()
    {
        var text = Full().Replace("blob.core.windows.net/vault", "blob.core.windows.net/vault?sig=abc", StringComparison.Ordinal);

        var e = Should.Throw<AgentException>(() => AgentSettingsFile.Parse(text, "agent.yaml"));
        e.Message.ShouldContain("must not carry a query");
        e.Message.ShouldNotContain("sig=abc");
    }

    [Fact]
    public void Parse_EnrolledAgent_NamesNoKeyFiles()
    {
        var lines = Full().Split('\n').Where(l => !l.Contains("identityFile", StringComparison.Ordinal)).ToList();
        Should.Throw<AgentException>(() => AgentSettingsFile.Parse(string.Join('\n', lines), "agent.yaml")).Message.ShouldContain("needs the other of 'identityFile' and 'controlPlaneFile'");

        lines.RemoveAll(l => l.Contains("controlPlaneFile", StringComparison.Ordinal));
        AgentSettingsFile.Parse(string.Join('\n', lines), "agent.yaml").IdentityFile.ShouldBeNull();
    }

    [Theory]
    [InlineData("default"), InlineData("managed"), InlineData("b7a6f3a4-8d4e-4c83-9f3e-0d6b2a1c5e77")]
    public void Parse_AnEntraIdentityInPlaceOfAKey_IsTaken(string identity)
    {
        var relay = AgentSettingsFile.Parse(Relay($"identity: {identity}"), "agent.yaml").Relay;
        (relay.Identity!.Text, relay.KeyName, relay.KeyFile).ShouldBe((identity, null, null));
    }

    [Theory]
    [InlineData("'relay.keyFile' and 'relay.identity' are both missing", "")]
    [InlineData("'relay.keyFile' needs the other of 'relay.keyName' and 'relay.keyFile'", "keyFile: KEY")]
    [InlineData("'relay.keyName' needs the other of 'relay.keyName' and 'relay.keyFile'", "keyName: listen")]
    [InlineData("'relay.identity' stands in place of 'relay.keyName' and 'relay.keyFile'", "identity: default, keyName: listen, keyFile: KEY")]
    [InlineData("'relay.identity' must be 'default'", "identity: somebody")]
    public void Parse_NeitherOrBothWaysToTheRelay_SaysWhatToSet(string says, string relay) =>
        Should.Throw<AgentException>(() => AgentSettingsFile.Parse(Relay(relay), "agent.yaml")).Message.ShouldContain(says);

    [Fact]
    public void Load_MissingFile_IsAClearError() =>
        Should.Throw<AgentException>(() => AgentSettingsFile.Load(_scratch["none.yaml"])).Fault.ShouldBe(AgentFault.Settings);

    public void Dispose() => _scratch.Dispose();

    private string Relay(string how) => Full().Replace($"keyName: listen, keyFile: {_scratch["listen.key"]}", how.Replace("KEY", _scratch["listen.key"], StringComparison.Ordinal), StringComparison.Ordinal);

    private string Full() => $$"""
        name: lab-agent-1
        site: lab
        relay: { endpoint: "sb://localhost:5443", path: agents/lab-agent-1, keyName: listen, keyFile: {{_scratch.Write("listen.key", "k")}} }
        identityFile: {{_scratch.Write("agent.id", "i")}}
        controlPlaneFile: {{_scratch.Write("control.pub", "p")}}
        stateFolder: {{_scratch["state"]}}
        vaults:
          main: { path: /srv/vault, backupKeyFile: {{_scratch.Write("main.backup", "b")}} }
          cloud: { path: "https://acc.blob.core.windows.net/vault", backupKeyFile: {{_scratch["main.backup"]}} }
        connections:
          voids: { connectionStringFile: {{_scratch.Write("voids.txt", "c")}} }
        allowedSources: [ /srv/fits/, / ]
        restoreRoots: [ /srv/restore ]
        concurrentJobs: 3
        """;
}
