using System.Xml.Linq;
using Shouldly;

namespace Backup.Architecture.Tests;

/// <summary>Dependencies point inwards: the references of every project are those of DESIGN.md §4 and no others.</summary>
public sealed class ProjectReferenceTests
{
    private static readonly Dictionary<string, string[]> Allowed = new(StringComparer.Ordinal)
    {
        ["Policy"] = [],
        ["Vault"] = [],
        ["Vault.AzureBlob"] = ["Vault"],
        ["Relay"] = [],
        ["Relay.Emulator"] = ["Relay"],
        ["AgentApi"] = [],
        ["Sources"] = ["Vault"],
        ["Agent"] = ["AgentApi", "Relay", "Sources", "Vault.AzureBlob"],
        ["Catalog"] = ["Policy"],
        ["Functions"] = ["Policy", "Catalog", "AgentApi", "Relay", "Vault.AzureBlob", "Standalone"],
        ["Standalone"] = [],
        ["Cli"] = ["AgentApi", "Sources", "Vault.AzureBlob"],
        // LocalStack starts the others as processes: it orders their build and links none of them.
        ["LocalStack"] = [],
    };

    public static TheoryData<string> Projects => [.. Directory.GetDirectories(Path.Combine(Checkout.Root, "src")).Select(d => Path.GetFileName(d)!)];

    [Theory]
    [MemberData(nameof(Projects))]
    public void References_OfEachProject_AreThoseOfTheDesign(string project)
    {
        Allowed.ShouldContainKey(project, $"src/{project} is not a project of DESIGN.md §4");
        LinkedReferences(project).Except(Allowed[project]).ShouldBeEmpty($"src/{project} references more than DESIGN.md §4 allows");
    }

    [Fact]
    public void Projects_OfTheDesign_AllExist() => Allowed.Keys.Except(Projects.Select(p => p.Data)).ShouldBeEmpty();

    [Fact]
    public void Solution_HoldsEveryProject()
    {
        var solution = File.ReadAllText(Path.Combine(Checkout.Root, "BackupFunctions.sln"));
        var projects = Directory.EnumerateFiles(Checkout.Root, "*.csproj", SearchOption.AllDirectories)
            .Where(f => !f.Contains("/bin/", StringComparison.Ordinal) && !f.Contains("/obj/", StringComparison.Ordinal));
        projects.Where(f => !solution.Contains(Path.GetFileName(f), StringComparison.Ordinal)).ShouldBeEmpty();
    }

    private static IEnumerable<string> LinkedReferences(string project) =>
        XDocument.Load(Path.Combine(Checkout.Root, "src", project, project + ".csproj")).Descendants("ProjectReference")
            .Where(r => (string?)r.Attribute("ReferenceOutputAssembly") != "false")
            .Select(r => Path.GetFileNameWithoutExtension(r.Attribute("Include")!.Value.Replace('\\', '/')));
}
