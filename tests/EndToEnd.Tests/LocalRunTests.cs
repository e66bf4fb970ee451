using System.Globalization;
using Backup.LocalStack;
using Backup.LocalStack.Services;
using Backup.Services.Testing;
using Shouldly;

namespace Backup.EndToEnd.Tests;

/// <summary>The first command of the README, as a user types it: everything starts, is backed up by the timer, restored and compared.</summary>
public sealed class LocalRunTests
{
    [Fact]
    public async Task Once_OnAFreshStateFolderAndAgain_VerifiesEveryRestore()
    {
        using var scratch = new ScratchFolder("localrun");
        Directory.CreateDirectory(scratch.Combine("mine"));
        await File.WriteAllTextAsync(scratch.Combine("mine", "notes.txt"), "a folder of the user's\n", RunningSystem.Cancel);
        string[] arguments = ["--once", "--state", scratch.Combine("state"), "--protect", scratch.Combine("mine")];

        var first = await ProgramRun.OfAsync(Checkout.Program("LocalStack"), arguments, RunningSystem.Cancel);
        first.ExitCode.ShouldBe(0, first.Output + first.Errors);
        first.Output.ShouldContain("Restore verified: yes");
        first.Output.ShouldContain("my-mine");
        first.Output.ShouldContain("committed after the backup");

        var second = await ProgramRun.OfAsync(Checkout.Program("LocalStack"), arguments, RunningSystem.Cancel);
        second.ExitCode.ShouldBe(0, second.Output + second.Errors);
    }

    [Fact]
    public async Task Once_ForAFolderThatIsNotThere_SaysSoAndStartsNothing()
    {
        using var scratch = new ScratchFolder("localrun");
        var run = await ProgramRun.OfAsync(Checkout.Program("LocalStack"), ["--once", "--state", scratch.Combine("state"), "--protect", scratch.Combine("nowhere")], RunningSystem.Cancel);
        run.ExitCode.ShouldNotBe(0);
        (run.Output + run.Errors).ShouldContain("nowhere");
        Directory.Exists(scratch.Combine("state")).ShouldBeFalse();
    }

    [Theory]
    [InlineData(Native.SigInt, 130)]
    [InlineData(Native.SigTerm, 130)]
    [InlineData(Native.SigKill, 128 + Native.SigKill)]
    public async Task Serving_ThenInterruptedOrKilled_LeavesNoChildBehind(int signal, int exitCode)
    {
        using var scratch = new ScratchFolder("localrun");

        // A build server may start the tests with SIGINT ignored, and children inherit that; a terminal does not.
        string[] asFromATerminal = ["--default-signal=INT", Checkout.Program("LocalStack"), "--state", scratch.Combine("state")];
        await using var program = await ChildProcess.StartAsync(new ChildSpec("local stack", "env", asFromATerminal, scratch.Combine("log")), RunningSystem.Cancel);
        var servers = new[] { "postgres-control", "postgres-sample" }.Select(name => scratch.Combine("state", name, "data", "postmaster.pid")).ToList();
        await RunningSystem.UntilAsync(() => Task.FromResult(program.Exited.IsCompleted || servers.TrueForAll(HasProcessId)));
        var children = servers.ConvertAll(file => int.Parse(File.ReadLines(file).First(), CultureInfo.InvariantCulture));

        Native.Signal(program.Id, signal);

        (await RunningSystem.EndOfAsync(program)).ShouldBe(exitCode, string.Join('\n', program.LastLines()));
        await RunningSystem.UntilAsync(() => Task.FromResult(children.TrueForAll(child => !IsRunning(child))));
    }

    private static bool HasProcessId(string file) => File.Exists(file) && File.ReadAllText(file).Contains('\n', StringComparison.Ordinal);

    private static bool IsRunning(int process)
    {
        try
        {
            // A zombie waits to be reaped by init: it runs no more.
            return !File.ReadAllText($"/proc/{process}/stat").Contains(") Z ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }
}
