using System.Diagnostics;
using System.Globalization;
using Backup.LocalStack.Services;
using Backup.Services.Testing;
using Shouldly;

namespace Backup.LocalStack.Tests.Services;

public sealed class ChildProcessTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly ScratchFolder _scratch = new("child");

    [Fact]
    public async Task WaitForLine_ChildEndsFirst_ReportsExitCodeAndLastLines()
    {
        await using var child = await StartAsync("echo one; echo two >&2; exit 7");
        await child.Exited;
        var error = await Should.ThrowAsync<LocalStackException>(() => child.WaitForLineAsync(l => l == "never", Limit));
        error.Message.ShouldContain("exit code 7");
        error.Message.ShouldContain("two");
        child.HasCrashed.ShouldBeTrue();
    }

    [Fact]
    public async Task Kill_ChildWithGrandchild_EndsBoth()
    {
        await using var child = await StartAsync("sleep 1000 & echo $!; wait");
        var grandchild = int.Parse(await child.WaitForLineAsync(l => l.Length > 0, Limit), CultureInfo.InvariantCulture);
        await child.KillAsync();
        child.HasCrashed.ShouldBeFalse();
        IsRunning(grandchild).ShouldBeFalse();
    }

    [Fact]
    public async Task Stop_ChildThatCleansUp_LetsItFinish()
    {
        await using var child = await StartAsync("trap 'echo cleaned; exit 3' TERM; echo ready; while :; do sleep 0.05; done");
        await child.WaitForLineAsync(l => l == "ready", Limit);
        (await child.StopAsync()).ShouldBe(3);
        (await File.ReadAllTextAsync(child.Spec.LogFile)).ShouldBe("ready\ncleaned\n");
    }

    [Fact]
    public async Task Start_MissingProgram_FailsWithTheReason()
    {
        await using var child = await ChildProcess.StartAsync(new ChildSpec("nothing", "/nowhere/program", [], _scratch.Combine("log")));
        (await child.Exited).ShouldNotBe(0);
        child.Failure("ended").Message.ShouldContain("/nowhere/program");
    }

    public void Dispose() => _scratch.Dispose();

    private Task<ChildProcess> StartAsync(string script) =>
        ChildProcess.StartAsync(new ChildSpec("child", "bash", ["-c", script], _scratch.Combine("log")));

    private static bool IsRunning(int process)
    {
        try
        {
            using var found = Process.GetProcessById(process);
            // A zombie waits to be reaped by init: it runs no more.
            return !File.ReadAllText($"/proc/{process}/stat").Contains(") Z ", StringComparison.Ordinal);
        }
        catch (Exception gone) when (gone is ArgumentException or IOException)
        {
            return false;
        }
    }
}
