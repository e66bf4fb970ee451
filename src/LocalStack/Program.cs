using Backup.LocalStack.Run;
using Spectre.Console;

const int PipeWidth = 160;

var console = AnsiConsole.Console;
if (Console.IsOutputRedirected)
{
    // Nobody's terminal: lines are not broken to fit one.
    console.Profile.Width = PipeWidth;
}

return await CommandLine.InvokeAsync(args, (options, cancel) => LocalRun.RunAsync(options, console, TimeProvider.System, cancel)).ConfigureAwait(false);
