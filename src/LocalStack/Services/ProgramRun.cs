using System.Diagnostics;

namespace Backup.LocalStack.Services;

/// <summary>What a program that ran to its end printed and returned.</summary>
internal sealed record ProgramRun(int ExitCode, string Output, string Errors)
{
    /// <summary>Runs a program to its end.</summary>
    /// <param name="program">The executable.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="cancel">Kills it.</param>
    /// <param name="input">What it reads on its standard input; null leaves it this process's own.</param>
    public static async Task<ProgramRun> OfAsync(string program, IEnumerable<string> arguments, CancellationToken cancel, string? input = null)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = input is not null, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = await SpawningThread.StartAsync(start).ConfigureAwait(false);
        try
        {
            if (input is not null)
            {
                await process.StandardInput.WriteAsync(input.AsMemory(), cancel).ConfigureAwait(false);
                process.StandardInput.Close();
            }

            var output = process.StandardOutput.ReadToEndAsync(cancel);
            var errors = process.StandardError.ReadToEndAsync(cancel);
            await process.WaitForExitAsync(cancel).ConfigureAwait(false);
            return new ProgramRun(process.ExitCode, await output.ConfigureAwait(false), await errors.ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }

    /// <summary>Runs one of our own programs, which must succeed.</summary>
    /// <exception cref="LocalStackException">It returned another exit code than 0.</exception>
    public static async Task<ProgramRun> OfOurOwnAsync(string project, IEnumerable<string> arguments, CancellationToken cancel, string? input = null)
    {
        string[] all = [.. arguments];
        var run = await OfAsync(Checkout.Program(project), all, cancel, input).ConfigureAwait(false);
        return run.ExitCode == 0 ? run : throw new LocalStackException(LocalStackFault.ChildFailed,
            $"`{project} {string.Join(' ', all)}` ended with exit code {run.ExitCode}: {run.Errors.Trim()}", "This is a fault of the checkout, not of your machine.");
    }
}
