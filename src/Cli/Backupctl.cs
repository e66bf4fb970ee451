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
            return Finish(terminal, (int)ExitCode.Success, asJson: false);
        }

        var context = new CliContext(terminal);
        var parsed = CreateRoot(context).Parse(arguments);
        var asJson = parsed.GetResult(context.Json) is { Implicit: false };
        if (MistakesOf(parsed) is { Count: > 0 } mistakes)
        {
            return TellMistakes(parsed, mistakes, terminal, asJson);
        }

        var configuration = new InvocationConfiguration { Output = terminal.Out, Error = terminal.Error, EnableDefaultExceptionHandler = false };
        return Finish(terminal, await parsed.InvokeAsync(configuration, cancel).ConfigureAwait(false), asJson);
    }

    // What was printed counts only when it arrived: a full disk or a closed output must not look like success.
    private static int Finish(Terminal terminal, int code, bool asJson)
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
            ErrorText.Write(terminal, e, told, asJson);
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
            RestoreDumpCommand.Create(context),
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

    /// <summary>What is wrong with the command line, ahead of running it.</summary>
    private static List<string> MistakesOf(ParseResult parsed)
    {
        if (parsed.Action is ParseErrorAction)
        {
            var messages = parsed.Errors.Select(e => InWords(e.Message)).Distinct().ToList();
            // "Required command" beside a more telling message would only be noise.
            return messages.Count == 1 ? messages : [.. messages.Where(m => !m.StartsWith("Required command", StringComparison.Ordinal))];
        }

        // Help and completion take any text.
        return parsed.Action != parsed.CommandResult.Command.Action
            ? []
            : [.. parsed.CommandResult.Children.Where(given => given.Tokens.Any(token => token.Value.Length == 0)).Select(given => $"{Name(given)} was given an empty text; a variable in a script may be unset.")];
    }

    private static string Name(SymbolResult given) => given switch
    {
        OptionResult option => $"Option '{option.Option.Name}'",
        ArgumentResult argument => $"Argument '{argument.Argument.Name}'",
        _ => "The command",
    };

    /// <summary>The parser's message without names of types, which mean nothing to whoever types commands.</summary>
    private static string InWords(string message) => message
        .Replace("as expected type 'System.Double'", "as a number", StringComparison.Ordinal)
        .Replace("as expected type 'System.Int32'", "as a whole number", StringComparison.Ordinal)
        .Replace("as expected type 'System.Int64'", "as a whole number", StringComparison.Ordinal)
        .Replace("as expected type 'System.UInt32'", "as a whole number from 0", StringComparison.Ordinal)
        .Replace("as expected type 'System.Nullable`1[System.UInt32]'", "as a whole number from 0", StringComparison.Ordinal);

    private static int TellMistakes(ParseResult parsed, IReadOnlyList<string> mistakes, Terminal terminal, bool asJson)
    {
        var line = parsed.CommandResult.Line();
        // A recovering server would take an ordinary code for the end of its log.
        var code = line.EndsWith(" wal get", StringComparison.Ordinal) ? ExitCode.RecoveryMustStop : ExitCode.Usage;
        ErrorText.Write(terminal, mistakes, $"Try '{line} --help'.", code, asJson);
        return (int)code;
    }
}
