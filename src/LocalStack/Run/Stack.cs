using System.Globalization;
using Backup.LocalStack.Progress;
using Backup.LocalStack.SampleData;
using Backup.LocalStack.Services;

namespace Backup.LocalStack.Run;

/// <summary>Every process of the local run: two PostgreSQL servers, Azurite, the relay emulator, one agent and the Functions app.</summary>
internal sealed class Stack : IAsyncDisposable
{
    public const string AgentName = "lab-agent-1";
    public const string AgentPath = "agents/" + AgentName;
    public const string RelayListenRule = "listen";
    public const string RelaySendRule = "send";

    private const string CatalogDatabase = "catalog";
    private const string DurableDatabase = "durable";

    private static readonly TimeSpan ReadyLimit = TimeSpan.FromSeconds(60);

    // Stopped in the opposite order.
    private readonly List<(IAsyncDisposable Service, Func<ChildProcess> Child)> _running = [];
    private readonly StackPorts _ports;

    private Stack(StackOptions options, LocalPackages packages)
    {
        Options = options;
        Packages = packages;
        Folders = new StackFolders(options.StateFolder);
        Secrets = new Secrets(Folders.Keys);
        Settings = new SettingsFiles(Folders, Secrets);
        Assets = ProtectedAssets.Of(options, Folders);
        _ports = new StackPorts(Path.Combine(Folders.Settings, "ports"));
        Folders.Create();
        FunctionsAddress = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{options.HttpPort ?? _ports.For("functions")}"));
    }

    public StackOptions Options { get; }

    public LocalPackages Packages { get; }

    public StackFolders Folders { get; }

    public Secrets Secrets { get; }

    public SettingsFiles Settings { get; }

    public IReadOnlyList<ProtectedAsset> Assets { get; }

    public PostgresServer ControlDatabase { get; private set; } = null!;

    public PostgresServer SampleDatabase { get; private set; } = null!;

    public AzuriteServer Azurite { get; private set; } = null!;

    public Supervised Relay { get; private set; } = null!;

    public Supervised Agent { get; private set; } = null!;

    public Supervised Functions { get; private set; } = null!;

    /// <summary>Where the Functions app answers, without a slash at the end.</summary>
    public Uri FunctionsAddress { get; }

    /// <summary>Connects to the sample database.</summary>
    public string SampleConnection => SampleDatabase.ConnectionString(VoidCatalogue.Database) + ";Pooling=false";

    /// <summary>Starts the services and makes sample data and keys where they are missing.</summary>
    public static async Task<Stack> StartServicesAsync(StackOptions options, Board board, CancellationToken cancel)
    {
        var packages = await board.StepAsync("Local services (PostgreSQL, Azurite) from npm", step =>
            LocalPackages.InstallAsync(new Progress<string>(step.Say), cancel)).ConfigureAwait(false);
        var stack = new Stack(options, packages);
        try
        {
            await stack.Secrets.EnsureRandomKeysAsync(cancel).ConfigureAwait(false);
            await Task.WhenAll(
                board.StepAsync("PostgreSQL for catalog and orchestrations", _ => stack.StartControlDatabaseAsync(cancel)),
                board.StepAsync("PostgreSQL to protect, with a catalogue of cosmic voids", _ => stack.StartSampleDatabaseAsync(cancel)),
                board.StepAsync("Azurite (blob storage)", _ => stack.StartAzuriteAsync(cancel)),
                board.StepAsync("Sample files (FITS archive, host configuration)", _ => stack.MakeSampleFilesAsync(cancel)),
                board.StepAsync("Keys, identities, vault", _ => stack.MakeKeysAsync(cancel))).ConfigureAwait(false);
            return stack;
        }
        catch
        {
            await stack.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Starts our programs: relay emulator and Functions app, then, once it is enrolled, the agent. From here on the schedule fires.</summary>
    public async Task StartProgramsAsync(CancellationToken cancel)
    {
        var relayPort = _ports.For("relay");
        Dictionary<string, string> connections = new() { [ProtectedAssets.SampleDatabase] = SampleDatabase.ConnectionString() };
        if (Options.Postgres is not null)
        {
            connections[ProtectedAssets.UserDatabase] = Options.Postgres;
        }

        await Settings.WriteAsync(Options, Assets, relayPort, connections, Packages.PostgresPrograms, cancel).ConfigureAwait(false);
        Relay = Program("relay emulator", "Relay.Emulator", ["--config", Settings.Emulator], [], "Listening");
        Agent = Program("agent", "Agent", ["--config", Settings.Agent], [], "Listening");
        Functions = Program("Functions app", "Functions", [], await FunctionsEnvironmentAsync(relayPort, cancel).ConfigureAwait(false), "Now listening");
        foreach (var program in (Supervised[])[Relay, Agent, Functions])
        {
            Register(program, () => program.Child);
        }

        await Task.WhenAll(Relay.StartAsync(cancel), Functions.StartAsync(cancel)).ConfigureAwait(false);
        await new AgentEnrolment(Folders, Secrets, Settings, FunctionsAddress).EnsureAsync(cancel).ConfigureAwait(false);
        await Agent.StartAsync(cancel).ConfigureAwait(false);
    }

    /// <summary>Completes when a child ends that nobody told to, with what happened; never otherwise.</summary>
    public async Task<LocalStackException> FirstCrashAsync()
    {
        var ended = await Task.WhenAny(_running.Select(r => EndOfAsync(r.Child()))).ConfigureAwait(false);
        return (await ended.ConfigureAwait(false)).Failure("ended unexpectedly");

        static async Task<ChildProcess> EndOfAsync(ChildProcess child)
        {
            await child.Exited.ConfigureAwait(false);
            return child.HasCrashed ? child : await new TaskCompletionSource<ChildProcess>().Task.ConfigureAwait(false);
        }
    }

    /// <summary>Stops everything, the newest first.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var (service, _) in Enumerable.Reverse(_running))
        {
            await service.DisposeAsync().ConfigureAwait(false);
        }

        _running.Clear();
    }

    private async Task StartControlDatabaseAsync(CancellationToken cancel)
    {
        ControlDatabase = await PostgresServer.StartAsync(Packages, new PostgresOptions("control PostgreSQL", Folders.ControlPostgres)
        {
            Port = _ports.For("control-postgres"),
        }, cancel).ConfigureAwait(false);
        Register(ControlDatabase, () => ControlDatabase.Child);
        foreach (var database in (string[])[CatalogDatabase, DurableDatabase])
        {
            if (!await ControlDatabase.HasDatabaseAsync(database, cancel).ConfigureAwait(false))
            {
                await ControlDatabase.CreateDatabaseAsync(database, cancel).ConfigureAwait(false);
            }
        }
    }

    private async Task StartSampleDatabaseAsync(CancellationToken cancel)
    {
        SampleDatabase = await PostgresServer.StartAsync(Packages, new PostgresOptions("sample PostgreSQL", Folders.SamplePostgres)
        {
            Port = _ports.For("sample-postgres"),
        }, cancel).ConfigureAwait(false);
        Register(SampleDatabase, () => SampleDatabase.Child);
        await VoidCatalogue.CreateAsync(SampleDatabase, Folders.Tablespace, cancel).ConfigureAwait(false);
    }

    private async Task StartAzuriteAsync(CancellationToken cancel)
    {
        Azurite = await AzuriteServer.StartAsync(Packages, new AzuriteOptions(Folders.Azurite) { Port = _ports.For("azurite") }, cancel).ConfigureAwait(false);
        Register(Azurite, () => Azurite.Child);
    }

    private async Task MakeSampleFilesAsync(CancellationToken cancel)
    {
        await SampleFiles.EnsureAsync(Folders.Fits, FitsArchive.Create, cancel).ConfigureAwait(false);
        await SampleFiles.EnsureAsync(Folders.Configuration, ConfigurationTree.Create, cancel).ConfigureAwait(false);
    }

    private async Task MakeKeysAsync(CancellationToken cancel)
    {
        if (!File.Exists(Secrets.ControlPlanePublic))
        {
            // The public part appears last: a private one without it was interrupted.
            File.Delete(Secrets.ControlPlaneIdentity);
            await ProgramRun.OfOurOwnAsync("Cli", ["identity", "new", "--name", "control-plane", "--private", Secrets.ControlPlaneIdentity, "--public", Secrets.ControlPlanePublic], cancel).ConfigureAwait(false);
        }

        // Every time: it keeps a certificate that is still good, and renews one that is about to end.
        await ProgramRun.OfOurOwnAsync("Relay.Emulator", ["--make-certificate", Secrets.RelayCertificateFolder], cancel).ConfigureAwait(false);

        if (!File.Exists(Secrets.BackupKey))
        {
            // The vault's keys appear last: without them an interrupted vault is no use and is made again.
            await RemoveTree.IfExistsAsync(Folders.Vault, cancel).ConfigureAwait(false);
            File.Delete(Secrets.RestoreKey);
            await ProgramRun.OfOurOwnAsync("Cli",
                ["vault", "init", "--vault", Folders.Vault, "--restore-key-file", Secrets.RestoreKey, "--backup-key-file", Secrets.BackupKey], cancel).ConfigureAwait(false);
        }
    }

    private async Task<Dictionary<string, string>> FunctionsEnvironmentAsync(int relayPort, CancellationToken cancel) => new(Options.FunctionsSettings)
    {
        ["Policy__File"] = Settings.Policy,
        ["ConnectionStrings__Catalog"] = ControlDatabase.ConnectionString(CatalogDatabase),
        ["ConnectionStrings__Durable"] = ControlDatabase.ConnectionString(DurableDatabase),
        ["Relay__Endpoint"] = $"sb://localhost:{relayPort}",
        ["Relay__KeyName"] = RelaySendRule,
        ["Relay__KeyFile"] = Secrets.RelaySendKey,
        ["Relay__TrustedCertificateFile"] = Secrets.RelayCertificate,
        ["ControlPlane__IdentityFile"] = Secrets.ControlPlaneIdentity,
        ["Offsite__ConnectionString"] = Azurite.ConnectionString,
        ["Schedule__Timer"] = Options.Timer,
        ["FunctionKeys__local"] = await Secrets.HashOfAsync(Secrets.FunctionKey, cancel).ConfigureAwait(false),
        ["AdminKeys__local"] = await Secrets.HashOfAsync(Secrets.AdminKey, cancel).ConfigureAwait(false),
        ["ASPNETCORE_URLS"] = FunctionsAddress.ToString(),
    };

    private Supervised Program(string name, string project, IReadOnlyList<string> arguments, Dictionary<string, string> environment, string readyText) =>
        new(new ChildSpec(name, Checkout.Program(project), arguments, Path.Combine(Folders.Logs, project.ToLowerInvariant() + ".log")) { Environment = environment },
            (child, cancel) => child.WaitForLineAsync(line => line.Contains(readyText, StringComparison.OrdinalIgnoreCase), ReadyLimit, cancel));

    private void Register(IAsyncDisposable service, Func<ChildProcess> child)
    {
        lock (_running)
        {
            _running.Add((service, child));
        }
    }
}
