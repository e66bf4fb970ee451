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
}
