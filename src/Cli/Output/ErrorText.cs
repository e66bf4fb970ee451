using System.Text.Json;

namespace Backup.Cli.Output;

/// <summary>Tells a failure: message, hint, and the exit code's name.</summary>
internal static class ErrorText
{
    public static void Write(Terminal terminal, Exception failure, ExitCode code, bool asJson)
    {
        if (code == ExitCode.OutputClosed)
        {
            return;
        }

        try
        {
            // What was found before belongs ahead of what went wrong then.
            terminal.Out.Flush();
        }
        catch (IOException)
        {
            // The command fails anyway, for the reason at hand.
        }

        var (message, hint) = Split(failure);
        if (asJson)
        {
            WriteJson(terminal, message, hint, code);
            return;
        }

        terminal.Error.WriteLine($"backupctl: {message}");
        if (hint.Length > 0)
        {
            terminal.Error.WriteLine($"Hint: {hint}");
        }
    }

    /// <summary>Tells what is wrong with a command line, which may be several things at once.</summary>
    public static void Write(Terminal terminal, IReadOnlyList<string> mistakes, string advice, ExitCode code, bool asJson)
    {
        if (asJson)
        {
            WriteJson(terminal, string.Join(' ', mistakes), advice, code);
            return;
        }

        foreach (var mistake in mistakes)
        {
            terminal.Error.WriteLine($"backupctl: {mistake}");
        }

        terminal.Error.WriteLine(advice);
    }

    private static void WriteJson(Terminal terminal, string message, string hint, ExitCode code) =>
        terminal.Error.WriteJson(new ErrorLine(NameOf(code), (int)code, message, hint), CliJson.Default.ErrorLine);

    /// <summary>The code's name as scripts see it, for example <c>wrong-key</c>.</summary>
    public static string NameOf(ExitCode code) => Kebab(code.ToString());

    /// <summary>A word of ours as machines and tables show it.</summary>
    public static string Kebab(string word) => JsonNamingPolicy.KebabCaseLower.ConvertName(word);

    /// <summary>What is wrong, without the name of the parameter that the framework adds for programmers.</summary>
    public static string WithoutParameter(ArgumentException mistake) =>
        mistake.ParamName is { } name ? mistake.Message.Replace($" (Parameter '{name}')", "", StringComparison.Ordinal) : mistake.Message;

    // Our exceptions end their message with a line that begins "Hint: "; foreign ones have no hint.
    private static (string Message, string Hint) Split(Exception failure)
    {
        if (failure is OperationCanceledException)
        {
            return ("interrupted", "");
        }

        var parts = (failure is ArgumentException mistake ? WithoutParameter(mistake) : failure.Message).Split("\nHint: ", 2);
        return (parts[0], parts.Length == 2 ? parts[1] : "");
    }
}
