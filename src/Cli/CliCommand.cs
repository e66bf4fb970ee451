using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;
using Backup.Cli.Output;

namespace Backup.Cli;

/// <summary>What all commands have in common: a terminal, the option for machines, and failures told by one table.</summary>
internal sealed class CliContext(Terminal terminal)
{
    /// <summary>Accepted everywhere: one JSON value per line instead of text.</summary>
    public Option<bool> Json { get; } = new("--json") { Description = "Print JSON, one value per line, for machines.", Recursive = true };

    /// <summary>Accepted everywhere: no progress even on a terminal.</summary>
    public Option<bool> Quiet { get; } = new("--quiet", "-q") { Description = "Show no progress.", Recursive = true };

    public Terminal Terminal => terminal;

    /// <summary>A command whose failures become messages and exit codes.</summary>
    public Command Leaf(string name, string description, IEnumerable<Symbol> symbols, Func<Invocation, CancellationToken, Task<ExitCode>> run)
    {
        var command = new Command(name, description);
        foreach (var symbol in symbols)
        {
            switch (symbol)
            {
                case Argument argument:
                    command.Arguments.Add(argument);
                    break;
                default:
                    command.Options.Add((Option)symbol);
                    break;
            }
        }

        command.SetAction((parsed, cancel) => RunAsync(new Invocation(this, parsed), run, cancel));
        return command;
    }

    /// <summary>A command that only holds others.</summary>
    public static Command Group(string name, string description, params IEnumerable<Command> commands)
    {
        var group = new Command(name, description);
        foreach (var command in commands)
        {
            group.Subcommands.Add(command);
        }

        return group;
    }

    private async Task<int> RunAsync(Invocation invocation, Func<Invocation, CancellationToken, Task<ExitCode>> run, CancellationToken cancel)
    {
        ExitCode code;
        try
        {
            code = await run(invocation, cancel).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            // The one place where anything may arrive: every failure leaves as a message and a code, never as a stack trace.
            code = ExitCodes.Of(failure);
            ErrorText.Write(terminal, failure, code, invocation.IsJson);
        }

        return (int)code;
    }
}

/// <summary>How messages name a command.</summary>
internal static class CommandLineText
{
    /// <summary>What to type for it, for example <c>backupctl vault verify</c>.</summary>
    public static string Line(this CommandResult command)
    {
        var names = new Stack<string>();
        for (SymbolResult? at = command; at is not null; at = at.Parent)
        {
            if (at is CommandResult { Command: var known })
            {
                names.Push(known is RootCommand ? "backupctl" : known.Name);
            }
        }

        return string.Join(' ', names);
    }
}

/// <summary>One parsed command line.</summary>
internal sealed class Invocation(CliContext context, ParseResult parsed)
{
    public Terminal Terminal => context.Terminal;

    public TextWriter Out => context.Terminal.Out;

    public bool IsJson => parsed.GetValue(context.Json);

    /// <summary>Progress would get between the lines of JSON readers that merge both outputs.</summary>
    public bool IsQuiet => IsJson || parsed.GetValue(context.Quiet);

    public T? Get<T>(Option<T> option) => parsed.GetValue(option);

    public T? Get<T>(Argument<T> argument) => parsed.GetValue(argument);

    /// <summary>Whether somebody wrote the option, instead of its default being taken.</summary>
    public bool IsGiven(Option option) => parsed.GetResult(option) is { Implicit: false };

    public T Require<T>(Option<T> option) => parsed.GetRequiredValue(option);

    public T Require<T>(Argument<T> argument) => parsed.GetRequiredValue(argument);

    /// <summary>A number within its limits; "not a number" is within none.</summary>
    public T Within<T>(Option<T> option, T min, T max)
        where T : INumber<T> =>
        Require(option) is var value && value >= min && value <= max
            ? value
            : throw new CliException(CliFault.OptionInvalid, string.Create(CultureInfo.InvariantCulture, $"{option.Name} takes {min} to {max}."), $"See '{parsed.CommandResult.Line()} --help'.");

    /// <summary>Options of which only one can be heeded: with both, somebody would get something else than what was asked for.</summary>
    public void RefuseBoth(Option one, Option other)
    {
        if (IsGiven(one) && IsGiven(other))
        {
            throw new CliException(CliFault.OptionInvalid, $"{one.Name} and {other.Name} exclude each other.", $"See '{parsed.CommandResult.Line()} --help'.");
        }
    }

    /// <summary>A remark for a person, never in the way of results; after the results so far, where both go to one terminal.</summary>
    public void Note(string text)
    {
        if (!IsJson)
        {
            Out.Flush();
            Terminal.Error.WriteLine(text);
        }
    }
}
