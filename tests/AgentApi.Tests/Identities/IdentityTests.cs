using System.Security.Cryptography;
using Shouldly;

namespace Backup.AgentApi.Tests.Identities;

public sealed class IdentityTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("identity-tests-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Save_ThenLoad_GivesTheSameKeys()
    {
        using var made = PrivateIdentity.Create("lab agent 1");
        made.Save(Path.Combine(_folder, "agent.key"));
        made.Public.Save(Path.Combine(_folder, "agent.pub"));
        using var loaded = PrivateIdentity.Load(Path.Combine(_folder, "agent.key"));
        loaded.Public.KeyId.ShouldBe(made.Public.KeyId);
        loaded.Name.ShouldBe("lab agent 1");
        PublicIdentity.Load(Path.Combine(_folder, "agent.pub")).KeyId.ShouldBe(made.Public.KeyId);
    }

    [Fact]
    public void Save_PrivateIdentity_IsReadableByItsOwnerOnly()
    {
        using var made = PrivateIdentity.Create("a");
        var path = Path.Combine(_folder, "agent.key");
        made.Save(path);
        if (!OperatingSystem.IsWindows()) File.GetUnixFileMode(path).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Directory.GetFiles(_folder).ShouldBe([path]);
    }

    [Fact]
    public void Save_OverAnExistingIdentity_KeepsIt()
    {
        using var made = PrivateIdentity.Create("a");
        var path = Path.Combine(_folder, "agent.key");
        made.Save(path);
        var before = File.ReadAllText(path);
        using var other = PrivateIdentity.Create("a");
        Should.Throw<AgentApiException>(() => other.Save(path)).Fault.ShouldBe(AgentApiFault.IdentityExists);
        File.ReadAllText(path).ShouldBe(before);
        Directory.GetFiles(_folder).ShouldBe([path]);
    }

    [Fact]
    public void Load_PrivateIdentityThatOthersCanRead_IsRefused()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Unix modes only.");
            return;
        }
        using var made = PrivateIdentity.Create("a");
        var path = Path.Combine(_folder, "agent.key");
        made.Save(path);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.GroupRead);
        Should.Throw<AgentApiException>(() => PrivateIdentity.Load(path)).Message.ShouldContain("chmod 600");
    }

    [Fact]
    public void Load_OfWhatIsNoIdentity_SaysSo()
    {
        using var made = PrivateIdentity.Create("a");
        using var otherKind = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var texts = new[]
        {
            "", "backup-identity: 2", "backup-identity: 2\nname: a", made.Export().Replace("identity: 2", "identity: 1", StringComparison.Ordinal), made.Export().Replace("identity: 2", "identity: 3", StringComparison.Ordinal), made.Public.Export(), new string('x', 20_000),
            made.Export().Replace("name: a", "name:  ", StringComparison.Ordinal),
            made.Export().Replace("MC4", "MC5", StringComparison.Ordinal),
            IdentityText.Write("a", IdentityText.SigningPrivate, otherKind.ExportPkcs8PrivateKey(), IdentityText.EncryptionPrivate, otherKind.ExportPkcs8PrivateKey()),
        };
        foreach (var text in texts)
            Should.Throw<AgentApiException>(() => PrivateIdentity.Parse(text)).Fault.ShouldBe(AgentApiFault.IdentityUnusable);
        Should.Throw<AgentApiException>(() => PrivateIdentity.Load(Path.Combine(_folder, "absent"))).Fault.ShouldBe(AgentApiFault.IdentityUnusable);
        Should.Throw<AgentApiException>(() => PublicIdentity.Parse(made.Export())).Fault.ShouldBe(AgentApiFault.IdentityUnusable);
    }

    [Fact]
    public void ToString_OfAnythingSecret_ShowsNoSecret()
    {
        using var made = PrivateIdentity.Create("a");
        made.ToString().ShouldBe($"a ({made.Public.KeyId})");
        Parties.Replicate.ToString().ShouldNotContain("topsecret");
        Parties.Restore.ToString().ShouldNotContain("topsecret");
        Parties.Restore.ToString().ShouldContain("***");
    }

    [Fact]
    public void OrderId_Derive_DependsOnPartsAndTheirBoundaries()
    {
        OrderId.Derive("backup-a-20260301T1200", "replicate").ShouldBe(OrderId.Derive("backup-a-20260301T1200", "replicate"));
        OrderId.Derive("ab", "c").ShouldNotBe(OrderId.Derive("a", "bc"));
        OrderId.Derive("a", "b").ShouldNotBe(OrderId.Derive("b", "a"));
    }

    [Theory]
    [InlineData("")]
    [InlineData(".hidden")]
    [InlineData("a/b")]
    [InlineData("a b")]
    [InlineData("ä")]
    public void OrderId_Parse_RefusesWhatIsNoSafeName(string text) => OrderId.TryParse(text, out _).ShouldBeFalse();
}
