using Backup.LocalStack.Run;
using Spectre.Console;

return await CommandLine.InvokeAsync(args, (options, cancel) => LocalRun.RunAsync(options, AnsiConsole.Console, TimeProvider.System, cancel)).ConfigureAwait(false);
