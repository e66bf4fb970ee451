using Backup.Agent.Access;
using Backup.AgentApi;
using Shouldly;

namespace Backup.Agent.Tests.Access;

public sealed class PathGuardTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly PathGuard _guard;

    public PathGuardTests()
    {
        foreach (var folder in (string[])["data/fits", "data-secret", "restore", "etc"])
        {
            Directory.CreateDirectory(_scratch[folder]);
        }

        _guard = new PathGuard([_scratch["data"]], [_scratch["restore"]]);
    }

    [Theory]
    [InlineData("data")]
    [InlineData("data/fits")]
    [InlineData("data/./fits/")]
    public void RefuseSource_WithinARoot_IsAllowed(string path) => _guard.RefuseSource(_scratch[path]).ShouldBeNull();

    [Theory]
    [InlineData("etc")]
    [InlineData("data-secret")]
    [InlineData("data/../etc")]
    [InlineData("")]
    public void RefuseSource_OutsideEveryRoot_IsNotAllowed(string path) =>
        _guard.RefuseSource(_scratch[path]).ShouldNotBeNull().Code.ShouldBe(FailureCode.PathNotAllowed);

    [Fact]
    public void RefuseSource_RelativePath_IsNotAllowed() => _guard.RefuseSource("data").ShouldNotBeNull().Code.ShouldBe(FailureCode.PathNotAllowed);

    [Fact]
    public void RefuseSource_ThroughALinkThatLeavesTheRoot_IsNotAllowed()
    {
        Directory.CreateSymbolicLink(_scratch["data/out"], _scratch["etc"]);
        Directory.CreateDirectory(_scratch["etc/inner"]);

        _guard.RefuseSource(_scratch["data/out/inner"]).ShouldNotBeNull().Code.ShouldBe(FailureCode.PathNotAllowed);
        _guard.RefuseSource(_scratch["data/out"]).ShouldBeNull("the link itself is stored, not followed");
    }

    [Fact]
    public void RefuseSource_RelativeLinkUpwards_IsFollowedAsTheKernelDoes()
    {
        Directory.CreateSymbolicLink(_scratch["data/fits/up"], "../../etc");
        Directory.CreateDirectory(_scratch["etc/inner"]);

        _guard.RefuseSource(_scratch["data/fits/up/inner"]).ShouldNotBeNull().Message.ShouldContain(_scratch["etc/inner"]);
    }

    [Fact]
    public void RefuseSource_RootReachedThroughALink_IsAllowed()
    {
        Directory.CreateSymbolicLink(_scratch["alias"], _scratch["data"]);
        new PathGuard([_scratch["alias"]], []).RefuseSource(_scratch["data/fits"]).ShouldBeNull();
    }

    [Fact]
    public void RefuseSource_Missing_SaysSo() => _guard.RefuseSource(_scratch["data/none"]).ShouldNotBeNull().Code.ShouldBe(FailureCode.SourceMissing);

    [Fact]
    public void RefuseSource_NoRoots_AllowsNothing() => new PathGuard([], []).RefuseSource(_scratch["data"]).ShouldNotBeNull();

    [Fact]
    public void RefuseSource_SlashAsRoot_AllowsEverything() => new PathGuard(["/"], []).RefuseSource(_scratch["etc"]).ShouldBeNull();

    [Fact]
    public void RefuseTarget_NewFolderBelowARoot_IsAllowed() => _guard.RefuseTarget(_scratch["restore/new/deeper"]).ShouldBeNull();

    [Fact]
    public void RefuseTarget_LinkThatLeavesTheRoot_IsNotAllowed()
    {
        Directory.CreateSymbolicLink(_scratch["restore/out"], _scratch["etc"]);

        _guard.RefuseTarget(_scratch["restore/out"]).ShouldNotBeNull().Code.ShouldBe(FailureCode.PathNotAllowed);
        _guard.RefuseTarget(_scratch["restore/out/new"]).ShouldNotBeNull().Code.ShouldBe(FailureCode.PathNotAllowed);
    }

    [Fact]
    public void RefuseTarget_LoopOfLinks_IsNotAllowed()
    {
        File.CreateSymbolicLink(_scratch["restore/a"], _scratch["restore/b"]);
        File.CreateSymbolicLink(_scratch["restore/b"], _scratch["restore/a"]);

        _guard.RefuseTarget(_scratch["restore/a/x"]).ShouldNotBeNull().Code.ShouldBe(FailureCode.PathNotAllowed);
    }

    public void Dispose() => _scratch.Dispose();
}
