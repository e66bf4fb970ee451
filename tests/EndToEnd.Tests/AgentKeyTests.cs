using System.Text.Json;
using Backup.LocalStack;
using Backup.LocalStack.Run;
using Backup.LocalStack.Services;
using Shouldly;

namespace Backup.EndToEnd.Tests;

/// <summary>An agent's keys as an administrator handles them: <c>backupctl</c> on one side, <c>Backup.Agent</c> on the other, the real control plane between.</summary>
public sealed class AgentKeyTests(RunningSystem system)
{
    private const int ExitSuccess = 0;
    private const int ExitConfiguration = 78;

    [Fact]
    public async Task Keys_FromInvitationToRevocation_AreHandledFromTheShell()
    {
        var first = await ShowAsync();
        first.IsAnswering.ShouldBeTrue("the stack enrolled its agent");
        var current = first.Keys.Single(k => k.State == "current");

        await system.Stack.Agent.StopAsync();
        var code = (await CtlAsync("agent", "invite", Stack.AgentName)).Output;
        (await EnrolAsync(code)).Errors.ShouldContain("enrolled already");
        (await EnrolAsync(code[..^3], "--replace")).Errors.ShouldContain("not copied whole");
        (await EnrolAsync(code, "--replace")).ExitCode.ShouldBe(ExitSuccess);
        var again = await EnrolAsync(code, "--replace");
        (again.ExitCode, again.Errors.Contains("was used already, by another key", StringComparison.Ordinal)).ShouldBe((ExitConfiguration, true), again.Errors);
        await system.Stack.Agent.StartAsync(RunningSystem.Cancel);

        var enrolled = await ShowAsync();
        enrolled.IsAnswering.ShouldBeTrue(enrolled.Text);
        var pinned = enrolled.Keys.Single(k => k.State == "current").Id;
        pinned.ShouldNotBe(current.Id);

        await CtlAsync("agent", "rotate-key", Stack.AgentName, "--overlap-hours", "1");
        var rotated = await ShowAsync();
        rotated.IsAnswering.ShouldBeTrue(rotated.Text);
        rotated.Keys.ShouldContain(k => k.State == "previous" && k.Id == pinned);
        var newest = rotated.Keys.Single(k => k.State == "current").Id;

        await CtlAsync("agent", "revoke-key", Stack.AgentName, pinned);
        (await ShowAsync()).IsAnswering.ShouldBeTrue("only the old key is revoked");
        await CtlAsync("agent", "revoke-key", Stack.AgentName, newest);
        var revoked = await ShowAsync();
        revoked.IsAnswering.ShouldBeFalse();
        revoked.Text.ShouldContain("backupctl agent invite");

        await system.Stack.Agent.StopAsync();
        (await EnrolAsync((await CtlAsync("agent", "invite", Stack.AgentName)).Output, "--replace")).ExitCode.ShouldBe(ExitSuccess);
        await system.Stack.Agent.StartAsync(RunningSystem.Cancel);
        (await ShowAsync()).IsAnswering.ShouldBeTrue();
        var run = await system.EndOfAsync(await system.OrderAsync(ProtectedAssets.HostConfiguration));
        run.State.ShouldBe("succeeded", run.Reason?.Text);
    }

    private async Task<(bool IsAnswering, IReadOnlyList<(string Id, string State)> Keys, string Text)> ShowAsync()
    {
        var text = (await CtlAsync("agent", "show", Stack.AgentName, "--json")).Output;
        using var shown = JsonDocument.Parse(text);
        var keys = shown.RootElement.GetProperty("keys").EnumerateArray().Select(k => (k.GetProperty("id").GetString()!, k.GetProperty("state").GetString()!)).ToArray();
        return (shown.RootElement.GetProperty("isAnswering").GetBoolean(), keys, text);
    }

    private Task<ProgramRun> CtlAsync(params string[] arguments) => ProgramRun.OfOurOwnAsync(
        "Cli", [.. arguments, "--control-plane", system.Stack.FunctionsAddress.ToString(), "--api-key-file", system.Stack.Secrets.AdminKey], RunningSystem.Cancel);

    private Task<ProgramRun> EnrolAsync(string code, params string[] more) => ProgramRun.OfAsync(
        Checkout.Program("Agent"), ["enroll", "--config", system.Stack.Settings.Agent, "--control-plane", system.Stack.FunctionsAddress.ToString(), .. more], RunningSystem.Cancel, code);
}
