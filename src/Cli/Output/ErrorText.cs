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

        var (message, hint) = Split(failure);
        if (asJson)
        {
            terminal.Error.WriteJson(new ErrorLine(NameOf(code), (int)code, message, hint), CliJson.Default.ErrorLine);
            return;
        }

        terminal.Error.WriteLine($"backupctl: {message}");
        if (hint.Length > 0)
        {
            terminal.Error.WriteLine($"Hint: {hint}");
        }
    }

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
