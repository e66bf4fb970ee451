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
        fault.Message.ShouldContain("exactly one of Relay:KeyFile, Relay:Key and Relay:Identity");
        fault.Message.ShouldContain("\"soon\"");
        fault.Message.ShouldContain("3 problems");
    }

    [Theory]
    [InlineData("default"), InlineData("managed"), InlineData("b7a6f3a4-8d4e-4c83-9f3e-0d6b2a1c5e77")]
    public void Read_AnEntraIdentityInPlaceOfAKey_IsTaken(string identity) =>
        ControlPlaneSettings.Read(Configuration(new() { ["Relay:Identity"] = identity, ["Relay:KeyName"] = null, ["Relay:KeyFile"] = null })).RelayIdentity!.Text.ShouldBe(identity);

    [Theory]
    [InlineData("exactly one of Relay:KeyFile, Relay:Key and Relay:Identity", "default", null, "key")]
    [InlineData("exactly one of Relay:KeyFile, Relay:Key and Relay:Identity", null, null, null)]
    [InlineData("Relay:KeyName is missing", null, null, "key")]
    [InlineData("Relay:KeyName belongs to a key", "managed", "send", null)]
    [InlineData("this is \"me\"", "me", null, null)]
    public void Read_NeitherOrBothWaysToTheRelay_SaysWhatToSet(string says, string? identity, string? keyName, string? keyFile) =>
        Should.Throw<ControlPlaneException>(() => ControlPlaneSettings.Read(Configuration(new() { ["Relay:Identity"] = identity, ["Relay:KeyName"] = keyName, ["Relay:KeyFile"] = keyFile })))
            .Message.ShouldContain(says);

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
        sample.Except(read.Keys).Except(hosts).Where(k => !k.Contains("Keys:", StringComparison.Ordinal) && !k.StartsWith("Administrators:", StringComparison.Ordinal)).ShouldBeEmpty();
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
