using Backup.Cli;
using Backup.Cli.Output;

return await Backupctl.RunAsync(args, Terminal.OfProcess(), CancellationToken.None).ConfigureAwait(false);
