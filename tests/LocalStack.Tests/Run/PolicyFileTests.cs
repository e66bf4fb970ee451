using Backup.LocalStack.Run;
using Backup.Policy;
using Backup.Services.Testing;
using Shouldly;

namespace Backup.LocalStack.Tests.Run;

/// <summary>The sample policy, and what the local run makes of it, are policies.</summary>
public sealed class PolicyFileTests
{
    [Fact]
    public async Task SamplePolicy_AsItIsInTheRepository_IsAccepted()
    {
        var policy = await PolicyParser.LoadAsync(Path.Combine(Checkout.LocalInfrastructure, "policy.yaml"), TestContext.Current.CancellationToken);
        policy.Assets.Select(a => a.Name.Value).ShouldBe([ProtectedAssets.SampleDatabase, ProtectedAssets.FitsArchive, ProtectedAssets.HostConfiguration]);
        policy.Assets.ShouldAllBe(a => policy.TiersOf(a).Any());
    }

    [Fact]
    public async Task Policy_WithFoldersAndADatabaseOfTheUsers_IsAcceptedAndNamesThem()
    {
        using var scratch = new ScratchFolder("policy");
        var folders = new StackFolders(scratch.Combine("state of \"mine\""));
        var odd = Directory.CreateDirectory(scratch.Combine("My Data: 2026 #1")).FullName;
        var options = new StackOptions { StateFolder = folders.Root, Protect = [odd, odd], Postgres = "Host=db" };
        var assets = ProtectedAssets.Of(options, folders);
        var sample = await File.ReadAllTextAsync(Path.Combine(Checkout.LocalInfrastructure, "policy.yaml"), TestContext.Current.CancellationToken);
        var file = scratch.Combine("policy.yaml");
        await File.WriteAllTextAsync(file, ProtectedAssets.Policy(sample, folders, assets), TestContext.Current.CancellationToken);

        var policy = await PolicyParser.LoadAsync(file, TestContext.Current.CancellationToken);

        policy.Assets.Select(a => a.Name.Value).ShouldBe(assets.Select(a => a.Name));
        policy.Assets.Select(a => a.Name.Value).TakeLast(3).ShouldBe(["my-my-data-2026-1", "my-my-data-2026-1-2", "my-postgres"]);
        policy.FindAsset(new AssetName("my-my-data-2026-1"))!.Paths.ShouldBe([odd]);
        policy.FindAsset(new AssetName(ProtectedAssets.FitsArchive))!.Paths.ShouldBe([folders.Fits]);
    }

    [Fact]
    public void Ports_OnASecondStart_AreTheSameUnlessTaken()
    {
        using var scratch = new ScratchFolder("ports");
        var first = new StackPorts(scratch.Combine("ports"));
        var (one, two) = (first.For("one"), first.For("two"));
        one.ShouldNotBe(two);
        var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, two);
        listener.Start();
        try
        {
            var second = new StackPorts(scratch.Combine("ports"));
            second.For("one").ShouldBe(one);
            second.For("two").ShouldNotBe(two);
        }
        finally
        {
            listener.Stop();
        }
    }
}
