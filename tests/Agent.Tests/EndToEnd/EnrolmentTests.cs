using Backup.AgentApi;
using Backup.Relay;
using Shouldly;

namespace Backup.Agent.Tests.EndToEnd;

/// <summary>The agent as a real process, from its code to the end of a rotated key.</summary>
public sealed class EnrolmentTests : IAsyncLifetime
{
    private readonly CancellationToken _cancel = TestContext.Current.CancellationToken;
    private AgentBench _bench = null!;
    private StubControlPlane _controlPlane = null!;

    public async ValueTask InitializeAsync()
    {
        _bench = await AgentBench.StartAsync();
        _bench.Configure(isEnrolled: true);
        _controlPlane = await StubControlPlane.StartAsync(_bench.ControlPlane);
    }

    public async ValueTask DisposeAsync()
    {
        await _controlPlane.DisposeAsync();
        await _bench.DisposeAsync();
    }

    [Fact]
    public async Task Enroll_WithACode_PinsBothKeysAndTakesOrders()
    {
        var (code, output) = await EnrollAsync(_controlPlane.Code.Reveal());
        code.ShouldBe(0, output);
        output.ShouldContain($"Enrolled {_controlPlane.Pinned}");
        output.ShouldNotContain(_controlPlane.Code.Reveal());
        string.Join('\n', _controlPlane.Seen).ShouldNotContain(_controlPlane.Code.Reveal()[10..30]);
        if (!OperatingSystem.IsWindows())
        {
            File.GetUnixFileMode(_bench.Scratch["state/keys.json"]).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        using var agent = AgentProcess.Start(_bench.ConfigFile);
        _bench.Use(_bench.ControlPlane, _controlPlane.Pinned!);
        await agent.WaitUntilOnlineAsync(_cancel);
        var inventory = (await _bench.OrderAsync("inventory", new InventoryQuery())).Value.ShouldNotBeNull();
        inventory.TrustedKeyIds.ShouldBe([_bench.ControlPlane.Public.KeyId.ToString()]);
        inventory.KeyIds.ShouldBe([_controlPlane.Pinned!.KeyId.ToString()]);
        inventory.Vaults.ShouldHaveSingleItem().Name.ShouldBe("main");
    }

    [Fact]
    public async Task Enroll_AnswerLost_GoesOnAsTheSameAgent()
    {
        _controlPlane.AnswersToLose = 1;
        var (lost, said) = await EnrollAsync(_controlPlane.Code.Reveal());
        lost.ShouldNotBe(0);
        said.ShouldContain("The answer was lost.");
        var pinned = _controlPlane.Pinned!.KeyId;

        (await EnrollAsync(_controlPlane.Code.Reveal())).Code.ShouldBe(0);
        _controlPlane.Pinned!.KeyId.ShouldBe(pinned);
    }

    [Fact]
    public async Task Enroll_WithWhatIsNoGoodCode_SaysWhyAndKeepsNothing()
    {
        (await EnrollAsync("hello")).ShouldBe((78, "Backup.Agent: This is not an enrolment code, or it was not copied whole.\nHint: Copy the code again, or ask for a new one.\n"));
        var mistyped = _controlPlane.Code.Reveal();
        (await EnrollAsync(mistyped[..^1] + (mistyped[^1] == 'A' ? 'Q' : 'A'))).Output.ShouldContain("not copied whole");
        (await EnrollAsync(EnrolmentCode.Create(_bench.ControlPlane.Public).Reveal())).Output.ShouldContain("The enrolment code is wrong.");
        File.Exists(_bench.Scratch["state/keys.json"]).ShouldBeFalse();

        using var agent = AgentProcess.Start(_bench.ConfigFile);
        (await agent.WaitAsync(_cancel)).ShouldBe(78);
        agent.Output.ShouldContain("it was never enrolled");
    }

    [Fact]
    public async Task Enroll_AtAControlPlaneOfAnotherKey_StopsBeforeItSendsTheSecret()
    {
        using var impostor = PrivateIdentity.Create("control-plane");
        await using var between = await StubControlPlane.StartAsync(_bench.ControlPlane, impostor);
        var (code, output) = await EnrollAsync(between.Code.Reveal(), between.Address);
        code.ShouldBe(78);
        output.ShouldContain("not the one the code was made by");
        between.Seen.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Enroll_Twice_NeedsReplace()
    {
        (await EnrollAsync(_controlPlane.Code.Reveal())).Code.ShouldBe(0);
        (await EnrollAsync(_controlPlane.Code.Reveal())).Output.ShouldContain("enrolled already");
        await using var second = await StubControlPlane.StartAsync(_bench.ControlPlane);
        (await EnrollAsync(second.Code.Reveal(), second.Address, "--replace")).Code.ShouldBe(0);
        second.Pinned!.KeyId.ShouldNotBe(_controlPlane.Pinned!.KeyId);
    }

    [Fact]
    public async Task Rotation_OfBothSides_KeepsTheOldKeysOnlyForTheOverlap()
    {
        (await EnrollAsync(_controlPlane.Code.Reveal())).Code.ShouldBe(0);
        var old = _controlPlane.Pinned!;
        PublicIdentity made;
        using (var agent = AgentProcess.Start(_bench.ConfigFile))
        {
            _bench.Use(_bench.ControlPlane, old);
            await agent.WaitUntilOnlineAsync(_cancel);
            var order = new RotateAgentKey { Replaces = old.KeyId.ToString(), OverlapSeconds = 0 };
            made = PublicIdentity.Parse((await _bench.OrderAsync("rotate-1", order)).Value!.Identity);
            // The answer may be lost: asked again, also after a kill, it is the same key.
            await agent.KillAsync();
        }

        using var next = PrivateIdentity.Create("control-plane");
        using var again = AgentProcess.Start(_bench.ConfigFile);
        await again.WaitUntilOnlineAsync(_cancel);
        PublicIdentity.Parse((await _bench.OrderAsync("rotate-2", new RotateAgentKey { Replaces = old.KeyId.ToString(), OverlapSeconds = 0 })).Value!.Identity).KeyId.ShouldBe(made.KeyId);
        (await _bench.OrderAsync("trust", new TrustControlPlaneKey { Identity = next.Public.Export(), OverlapSeconds = 0 })).Value!.KeyIds.Count.ShouldBe(2);
        (await StatusAsync(old, _bench.ControlPlane)).ShouldBe(200);

        (await StatusAsync(made, next)).ShouldBe(200);
        (await StatusAsync(old, next)).ShouldBe(400);
        (await StatusAsync(made, _bench.ControlPlane)).ShouldBe(400);
        (await StatusAsync(made, next)).ShouldBe(200);
    }

    [Fact]
    public async Task Revocation_OfAControlPlaneKey_HoldsForEverAndIsSignedByAnother()
    {
        (await EnrollAsync(_controlPlane.Code.Reveal())).Code.ShouldBe(0);
        using var agent = AgentProcess.Start(_bench.ConfigFile);
        using var next = PrivateIdentity.Create("control-plane");
        _bench.Use(_bench.ControlPlane, _controlPlane.Pinned!);
        await agent.WaitUntilOnlineAsync(_cancel);
        var stolen = _bench.ControlPlane.Public;
        (await _bench.OrderAsync("self", new RevokeControlPlaneKey { KeyId = stolen.KeyId.ToString() })).Refusal!.Code.ShouldBe(FailureCode.KeyChangeRefused);
        await _bench.OrderAsync("trust", new TrustControlPlaneKey { Identity = next.Public.Export() });

        _bench.Use(next, _controlPlane.Pinned!);
        (await _bench.OrderAsync("revoke", new RevokeControlPlaneKey { KeyId = stolen.KeyId.ToString() })).Value!.KeyIds.ShouldBe([next.Public.KeyId.ToString()]);
        (await StatusAsync(_controlPlane.Pinned!, _bench.ControlPlane)).ShouldBe(400);
        (await _bench.OrderAsync("back", new TrustControlPlaneKey { Identity = stolen.Export() })).Refusal!.Code.ShouldBe(FailureCode.KeyChangeRefused);
        (await _bench.OrderAsync("last", new RevokeControlPlaneKey { KeyId = next.Public.KeyId.ToString() })).Refusal!.Code.ShouldBe(FailureCode.KeyChangeRefused);
    }

    [Fact]
    public async Task Log_OfARunningAgent_TellsOfAJobAndHoldsNoSecret()
    {
        (await EnrollAsync(_controlPlane.Code.Reveal())).Code.ShouldBe(0);
        _bench.FillData(1, 10);
        using var agent = AgentProcess.Start(_bench.ConfigFile);
        _bench.Use(_bench.ControlPlane, _controlPlane.Pinned!);
        await agent.WaitUntilOnlineAsync(_cancel);
        await _bench.RunAsync("backup-1", _bench.Backup());

        var lines = (await _bench.OrderAsync("log", new LogQuery { OrderId = OrderId.Parse("backup-1") })).Value!.Lines;
        lines.Select(l => l.Event).ShouldBe([4002, 4110, 4111]);
        (await _bench.OrderAsync("log-2", new LogQuery { Lines = 1 })).Value!.Lines.Count.ShouldBe(1);
        string.Concat((await _bench.OrderAsync("log-3", new LogQuery { Lines = LogQuery.LinesMax })).Value!.Lines.Select(l => l.Text)).ShouldNotContain("listen-key");
    }

    private async Task<(int Code, string Output)> EnrollAsync(string code, Uri? address = null, params string[] more)
    {
        using var agent = AgentProcess.StartWithInput(code + "\n", ["enroll", "--config", _bench.ConfigFile, "--control-plane", (address ?? _controlPlane.Address).ToString(), .. more]);
        return (await agent.WaitAsync(_cancel), agent.Output);
    }

    private async Task<int> StatusAsync(PublicIdentity agent, PrivateIdentity controlPlane)
    {
        var order = new OrderSealer(controlPlane, TimeProvider.System).Seal(agent, OrderId.NewRandom(), new HealthQuery());
        return (await _bench.PostAsync(order.Envelope)).ShouldBeOfType<RelayReply.Answered>().StatusCode;
    }
}
