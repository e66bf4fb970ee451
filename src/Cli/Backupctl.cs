using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Reflection;
using Backup.Cli.Backing;
using Backup.Cli.Completion;
using Backup.Cli.ControlPlane;
using Backup.Cli.Identities;
using Backup.Cli.Log;
using Backup.Cli.Output;
using Backup.Cli.Restoring;
using Backup.Cli.Snapshots;
using Backup.Cli.Stores;
using Backup.Cli.Vaults;

namespace Backup.Cli;

/// <summary>The whole program, apart from the process it runs in.</summary>
internal static class Backupctl
{
    private static string Version => typeof(Backupctl).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    public static async Task<int> RunAsync(string[] arguments, Terminal terminal, CancellationToken cancel)
    {
        // Asked for by scripts again and again: no need to set up thirty commands for it.
        if (arguments is ["--version"])
        {
            await terminal.Out.WriteLineAsync(Version).ConfigureAwait(false);
            return Finish(terminal, (int)ExitCode.Success);
        }

        var context = new CliContext(terminal);
        var parsed = CreateRoot(context).Parse(arguments);
        if (parsed.Action is ParseErrorAction)
        {
            return TellMistakes(parsed, terminal);
        }

        var configuration = new InvocationConfiguration { Output = terminal.Out, Error = terminal.Error, EnableDefaultExceptionHandler = false };
        return Finish(terminal, await parsed.InvokeAsync(configuration, cancel).ConfigureAwait(false));
    }

    // What was printed counts only when it arrived: a full disk or a closed output must not look like success.
    private static int Finish(Terminal terminal, int code)
    {
        try
        {
            terminal.Out.Flush();
            return code;
        }
        catch (IOException e)
        {
            if (code != (int)ExitCode.Success)
            {
                return code;
            }

            var told = ExitCodes.Of(e);
            ErrorText.Write(terminal, e, told, asJson: false);
            return (int)told;
        }
    }

    internal static RootCommand CreateRoot(CliContext context)
    {
        var root = new RootCommand("Encrypted, deduplicated backups: the operator's tool.");
        foreach (var windows in (string[])["/h", "/?"])
        {
            // Here these are paths, and completion would offer them.
            root.Options.OfType<HelpOption>().Single().Aliases.Remove(windows);
        }

        root.Options.Add(context.Json);
        root.Options.Add(context.Quiet);
        foreach (var command in (Command[])
        [
            VaultCommands.Create(context),
            BackupCommand.Create(context),
            BackupPostgresCommand.Create(context),
            DumpPostgresCommand.Create(context),
            SnapshotsCommand.Create(context),
            BrowseCommands.Ls(context),
            BrowseCommands.Find(context),
            DiffCommand.Create(context),
            BrowseCommands.Cat(context),
            RestoreCommand.Create(context),
            RestorePostgresCommand.Create(context),
            ProvePostgresCommand.Create(context),
            WalCommands.Create(context),
            ProbeCommand.Create(context),
            IdentityCommands.Create(context),
            AgentCommands.Create(context),
            ControlPlaneCommands.Create(context),
            ArchiveCommands.Create(context),
            LocksCommand.Create(context),
            CompletionCommand.Create(context),
        ])
        {
            root.Subcommands.Add(command);
        }

        return root;
    }

    private static int TellMistakes(ParseResult parsed, Terminal terminal)
    {
        // "Required command" beside a more telling message would only be noise.
        var messages = parsed.Errors.Select(e => e.Message).Distinct().ToList();
        foreach (var message in messages.Where(m => messages.Count == 1 || !m.StartsWith("Required command", StringComparison.Ordinal)))
        {
            terminal.Error.WriteLine($"backupctl: {message}");
        }

        var path = string.Join(' ', parsed.CommandResult.Path());
        terminal.Error.WriteLine($"Try '{path} --help'.");
        // A recovering server would take an ordinary code for the end of its log.
        return (int)(path.EndsWith(" wal get", StringComparison.Ordinal) ? ExitCode.RecoveryMustStop : ExitCode.Usage);
    }

    private static Stack<string> Path(this CommandResult command)
    {
        var names = new Stack<string>();
        for (SymbolResult? at = command; at is not null; at = at.Parent)
        {
            if (at is CommandResult { Command: var known })
            {
                names.Push(known is RootCommand ? "backupctl" : known.Name);
            }
        }

        return names;
    }
}
