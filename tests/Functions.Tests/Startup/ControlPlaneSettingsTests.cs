using System.Text.Json;
using Backup.Functions.Startup;
using Backup.Policy;
using Microsoft.Extensions.Configuration;
using Shouldly;

namespace Backup.Functions.Tests.Startup;

public sealed class ControlPlaneSettingsTests
{
    private static readonly Dictionary<string, string?> Good = new()
    {
        ["Policy:File"] = "policy.yaml",
        ["ConnectionStrings:Catalog"] = "Host=x",
        ["Relay:Endpoint"] = "sb://localhost",
        ["Relay:KeyName"] = "send",
        ["Relay:KeyFile"] = "key",
        ["ControlPlane:IdentityFile"] = "id",
        ["ControlPlane:AgentsFolder"] = "agents",
    };

    [Fact]
    public void Read_Everything_IsThere()
    {
        var settings = ControlPlaneSettings.Read(Configuration([]));
        (settings.RelayKeyName, settings.Patience.OfflineSeconds).ShouldBe(("send", 600));
    }

    [Fact]
    public void Read_SeveralMistakes_AreListedTogether()
    {
        var fault = Should.Throw<ControlPlaneException>(() => ControlPlaneSettings.Read(Configuration(new() { ["Policy:File"] = null, ["Relay:Key"] = "x", ["Jobs:OfflineSeconds"] = "soon" })));
        fault.Fault.ShouldBe(ControlPlaneFault.Settings);
        fault.Message.ShouldContain("Policy:File is missing");
        fault.Message.ShouldContain("exactly one of Relay:KeyFile and Relay:Key");
        fault.Message.ShouldContain("\"soon\"");
        fault.Message.ShouldContain("3 problems");
    }

    [Fact]
    public void Offsite_NothingSet_SaysWhatToSet() =>
        Should.Throw<ControlPlaneException>(() => ControlPlaneSettings.Offsite(Configuration([]), new TierName("cold"))).Message.ShouldContain("Offsite:cold:");

    [Fact]
    public void Offsite_PlainHttp_IsRefused() =>
        Should.Throw<ControlPlaneException>(() => ControlPlaneSettings.Offsite(Configuration(new() { ["Offsite:ServiceUri"] = "http://account.blob.core.windows.net" }), new TierName("cold")));

    /// <summary>The sample has every setting that is read, and none that is not.</summary>
    [Fact]
    public void Sample_SettingsFile_ListsEverySetting()
    {
        var read = new Recorder();
        ControlPlaneSettings.Read(read);
        ControlPlaneSettings.Offsite(read, new TierName("cold"));
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "local.settings.sample.json")))
        {
            folder = folder.Parent!;
        }

        var sample = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder.FullName, "local.settings.sample.json"))).RootElement.GetProperty("Values").EnumerateObject().Select(p => p.Name).ToArray();
        read.Keys.Where(k => !k.StartsWith("Offsite:cold", StringComparison.Ordinal)).Except(sample).ShouldBeEmpty();
        string[] hosts = ["AzureWebJobsStorage", "FUNCTIONS_WORKER_RUNTIME", "Schedule:Timer", "ConnectionStrings:Durable"];
        sample.Except(read.Keys).Except(hosts).Where(k => !k.Contains("Keys:", StringComparison.Ordinal)).ShouldBeEmpty();
    }

    private static IConfiguration Configuration(Dictionary<string, string?> changes) =>
        new ConfigurationBuilder().AddInMemoryCollection(Good).AddInMemoryCollection(changes).Build();

    private sealed class Recorder : IConfiguration
    {
        private readonly IConfiguration _inner = new ConfigurationBuilder().AddInMemoryCollection(Good)
            .AddInMemoryCollection(new Dictionary<string, string?> { ["Offsite:ConnectionString"] = "x" }).Build();

        public HashSet<string> Keys { get; } = [];

        public string? this[string key]
        {
            get
            {
                Keys.Add(key);
                return _inner[key];
            }
            set => throw new NotSupportedException();
        }

        public IEnumerable<IConfigurationSection> GetChildren() => _inner.GetChildren();

        public Microsoft.Extensions.Primitives.IChangeToken GetReloadToken() => _inner.GetReloadToken();

        public IConfigurationSection GetSection(string key) => _inner.GetSection(key);
    }
}
