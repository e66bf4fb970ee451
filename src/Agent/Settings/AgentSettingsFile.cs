using System.Globalization;
using Backup.Relay;
using Backup.Sources.Postgres.Wal;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Backup.Agent.Settings;

/// <summary>The agent's configuration file: YAML in which anything unknown is refused and all mistakes are told at once.</summary>
internal static class AgentSettingsFile
{
    private const int FileBytesMax = 1 << 20;

    /// <exception cref="AgentException">With <see cref="AgentFault.Settings"/>: unreadable, or the list of all mistakes with line and column.</exception>
    public static AgentSettings Load(string file)
    {
        string text;
        try
        {
            if (new FileInfo(file) is { Exists: true, Length: > FileBytesMax })
            {
                throw new IOException($"it is larger than {FileBytesMax} bytes");
            }

            text = File.ReadAllText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new AgentException(
                AgentFault.Settings, $"The configuration file {file} cannot be read: {e.Message}",
                "Name an existing file with --config that this user may read.", e);
        }

        return Parse(text, file);
    }

    internal static AgentSettings Parse(string text, string file)
    {
        var problems = new List<SettingsProblem>();
        var settings = Read(text, problems);
        if (problems.Count == 0)
        {
            return settings!;
        }

        var lines = problems.OrderBy(p => p.Line).ThenBy(p => p.Column).Select(p => $"\n{file}:{p}");
        throw new AgentException(
            AgentFault.Settings, $"The configuration holds {problems.Count} mistake{(problems.Count == 1 ? "" : "s")}:{string.Concat(lines)}",
            "Correct every line above; the agent starts only with a configuration free of mistakes.");
    }

    private static AgentSettings? Read(string text, List<SettingsProblem> problems)
    {
        var stream = new YamlStream();
        try
        {
            stream.Load(new StringReader(text));
        }
        catch (YamlException e)
        {
            problems.Add(new SettingsProblem(e.Start.Line, e.Start.Column, e.InnerException?.Message ?? e.Message));
            return null;
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException)
        {
            // YamlDotNet 18 throws these, without a place, for some plain texts and for tags that are no addresses.
            problems.Add(new SettingsProblem(1, 1, $"the file is not valid YAML: {e.Message}"));
            return null;
        }

        if (stream.Documents is not [{ RootNode: YamlMappingNode root }])
        {
            problems.Add(new SettingsProblem(1, 1, "the file must hold one mapping"));
            return null;
        }

        var reader = new SettingsReader(root, "", problems);
        var wals = new List<WalSettings>();
        var settings = new AgentSettings
        {
            Name = reader.Text("name"),
            Site = reader.Text("site"),
            Relay = ReadRelay(reader),
            IdentityFile = reader.OptionalFile("identityFile"),
            ControlPlaneFile = reader.OptionalFile("controlPlaneFile"),
            StateFolder = reader.AbsolutePath("stateFolder"),
            Vaults = reader.NamedSections("vaults").ToDictionary(v => v.Name, v => ReadVault(v.Section), StringComparer.Ordinal),
            Copies = reader.NamedPaths("copies").ToDictionary(c => c.Name, c => c.Path, StringComparer.Ordinal),
            ConnectionStringFiles = reader.NamedSections("connections")
                .ToDictionary(c => c.Name, c => ReadConnection(c.Name, c.Section, wals), StringComparer.Ordinal),
            WalReceivers = wals,
            PostgresPrograms = ReadPrograms(reader),
            Hooks = reader.NamedSections("hooks").ToDictionary(h => h.Name, h => ReadHook(h.Name, h.Section), StringComparer.Ordinal),
            AllowedSources = reader.AbsolutePaths("allowedSources"),
            RestoreRoots = reader.AbsolutePaths("restoreRoots"),
            ConcurrentJobs = reader.Number("concurrentJobs", 1, AgentSettings.ConcurrentJobsMax, AgentSettings.ConcurrentJobsDefault),
        };
        if ((settings.IdentityFile is null) != (settings.ControlPlaneFile is null))
        {
            reader.Refuse(settings.IdentityFile is null ? "controlPlaneFile" : "identityFile", "needs the other of 'identityFile' and 'controlPlaneFile'; an enrolled agent has neither");
        }

        foreach (var name in settings.Copies.Keys.Where(settings.Vaults.ContainsKey))
        {
            reader.Refuse("copies", $"has a place '{name}', and there is a vault of that name; rename one");
        }

        foreach (var wal in wals.Where(wal => wal.Vault.Length > 0 && !settings.Vaults.ContainsKey(wal.Vault)))
        {
            reader.Refuse("connections", $"'{wal.Connection}' names the vault '{wal.Vault}', which is not under 'vaults'");
        }

        foreach (var hook in settings.Hooks.Values.Where(hook => hook.Connection is not null && !settings.ConnectionStringFiles.ContainsKey(hook.Connection)))
        {
            reader.Refuse("hooks", $"'{hook.Name}' names the connection '{hook.Connection}', which is not under 'connections'");
        }

        foreach (var asset in wals.Where(wal => wal.Asset.Length > 0).GroupBy(wal => wal.Asset).Where(group => group.Count() > 1))
        {
            reader.Refuse("connections", $"the log of '{asset.Key}' is received twice");
        }

        reader.RefuseTheRest();
        return settings;
    }

    private static RelaySettings ReadRelay(SettingsReader parent)
    {
        var nowhere = new Uri("sb://unset");
        if (parent.Section("relay") is not { } reader)
        {
            return new RelaySettings { Endpoint = nowhere, Path = "" };
        }

        var endpoint = reader.Text("endpoint");
        var isEndpoint = Uri.TryCreate(endpoint, UriKind.Absolute, out var uri) && uri.Scheme == "sb" && uri.Host.Length > 0;
        if (endpoint.Length > 0 && (!isEndpoint || uri!.AbsolutePath != "/" || uri.Query.Length > 0))
        {
            reader.Refuse("endpoint", "must have the form sb://host or sb://host:port");
        }

        var settings = new RelaySettings
        {
            Endpoint = isEndpoint ? uri! : nowhere,
            Path = reader.Text("path"),
            KeyName = reader.OptionalText("keyName"),
            KeyFile = reader.OptionalFile("keyFile"),
            Identity = ReadIdentity(reader),
            TrustedCertificateFile = reader.OptionalFile("trustedCertificateFile"),
        };
        switch (reader.OptionalText("identity"), settings)
        {
            case (null, { KeyName: null, KeyFile: null }):
                reader.Refuse("keyFile", "and 'relay.identity' are both missing; name a key ('keyName' and 'keyFile') or an Entra ID identity");
                break;
            case (null, { KeyName: null } or { KeyFile: null }):
                reader.Refuse(settings.KeyName is null ? "keyFile" : "keyName", "needs the other of 'relay.keyName' and 'relay.keyFile'");
                break;
            case (not null, not { KeyName: null, KeyFile: null }):
                reader.Refuse("identity", "stands in place of 'relay.keyName' and 'relay.keyFile'; keep one of the two ways");
                break;
        }

        reader.RefuseTheRest();
        return settings;
    }

    private static RelayIdentity? ReadIdentity(SettingsReader reader)
    {
        var text = reader.OptionalText("identity");
        var identity = text is { Length: > 0 } ? RelayIdentity.TryParse(text) : null;
        if (text is { Length: > 0 } && identity is null)
        {
            reader.Refuse("identity", $"must be {RelayIdentity.Forms}");
        }

        return identity;
    }

    private static VaultSettings ReadVault(SettingsReader reader)
    {
        var location = reader.Text("path");
        var isUrl = Uri.TryCreate(location, UriKind.Absolute, out var uri) && uri.Scheme is "https" or "http";
        if (location.Length > 0 && !isUrl && !Path.IsPathRooted(location))
        {
            reader.Refuse("path", "must be an absolute folder or the URL of a blob container");
        }
        else if (isUrl && uri!.Query.Length > 0)
        {
            // A URL ends up in logs and process lists; a SAS in it would too.
            reader.Refuse("path", "must not carry a query: put the SAS into a file and name it with credentialFile");
        }

        var settings = new VaultSettings
        {
            Location = location,
            BackupKeyFile = reader.OptionalFile("backupKeyFile"),
            RestoreKeyFile = reader.OptionalFile("restoreKeyFile"),
            CredentialFile = reader.OptionalFile("credentialFile"),
            PruneKeyFile = reader.OptionalFile("pruneKeyFile"),
            PruneCredentialFile = reader.OptionalFile("pruneCredentialFile"),
        };
        reader.RefuseTheRest();
        return settings;
    }

    private static string ReadConnection(string name, SettingsReader reader, List<WalSettings> wals)
    {
        var file = reader.File("connectionStringFile");
        if (reader.OptionalSection("wal") is { } wal)
        {
            wals.Add(ReadWal(name, wal));
        }

        reader.RefuseTheRest();
        return file;
    }

    private static Dictionary<int, string> ReadPrograms(SettingsReader parent)
    {
        var programs = new Dictionary<int, string>();
        foreach (var (name, folder) in parent.NamedPaths("postgresPrograms"))
        {
            if (!int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var version) || version is < 13 or > 99)
            {
                parent.Refuse("postgresPrograms", $"has major versions as keys, such as 18, not '{name}'");
            }
            else if (!Directory.Exists(folder))
            {
                parent.Refuse("postgresPrograms", $"names {folder}, which is no folder");
            }
            else
            {
                programs[version] = folder;
            }
        }

        return programs;
    }

    private static HookSettings ReadHook(string name, SettingsReader reader)
    {
        var hook = new HookSettings
        {
            Name = name,
            Command = reader.Words("command"),
            Sql = reader.OptionalText("sql"),
            Connection = reader.OptionalText("connection"),
            Database = reader.OptionalText("database"),
            TimeLimitSeconds = reader.Number("timeLimitSeconds", 1, HookSettings.TimeLimitSecondsMax, HookSettings.TimeLimitSecondsDefault),
        };
        if (hook.Command.Count > 0 == hook.Sql is not null)
        {
            reader.Refuse("command", "or 'sql' must be there, one of them");
        }
        else if (hook.Command is [var program, ..] && !(Path.IsPathRooted(program) && File.Exists(program)))
        {
            reader.Refuse("command", "must begin with the absolute path of a program that exists");
        }

        if (hook.Sql is null != hook.Connection is null || (hook.Sql is null && hook.Database is not null))
        {
            reader.Refuse("sql", "needs 'connection', and 'connection' and 'database' are for 'sql' only");
        }

        reader.RefuseTheRest();
        return hook;
    }

    private static WalSettings ReadWal(string connection, SettingsReader reader)
    {
        var policy = reader.OptionalText("whenSlotBehind") ?? "alert";
        if (policy is not ("alert" or "stop" or "drop-slot"))
        {
            reader.Refuse("whenSlotBehind", "must be alert, stop or drop-slot");
        }

        var settings = new WalSettings
        {
            Connection = connection,
            Vault = reader.Text("vault"),
            Asset = reader.Text("asset"),
            Slot = reader.OptionalText("slot"),
            DurableWithinSeconds = reader.Number("durableWithinSeconds", 1, 3600, 5),
            SlotMebibytesMax = reader.Number("slotMaxMiB", 64, 1 << 20, 16384),
            WhenSlotBehind = policy switch
            {
                "stop" => SlotPolicy.Stop,
                "drop-slot" => SlotPolicy.DropSlot,
                _ => SlotPolicy.AlertOnly,
            },
        };
        reader.RefuseTheRest();
        return settings;
    }
}
