using Backup.Cli;
using Backup.Cli.Output;

// Before anything else is opened.
if (!OperatingSystem.IsWindows())
{
    StandardDescriptors.Occupy();
}

// For the whole process and not in the terminal alone: the drawing library knows a person's terminal by it.
Console.SetError(ErrorOutput.OfProcess());
return await Backupctl.RunAsync(args, Terminal.OfProcess(), CancellationToken.None).ConfigureAwait(false);
