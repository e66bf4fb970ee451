using System.Text.RegularExpressions;

namespace Backup.Sources.Postgres.Dumps;

/// <summary>What a program of PostgreSQL says on its error output, in bounds, and without the statements that it quotes: those can hold passwords.</summary>
internal sealed partial class ProgramWords
{
    private const int LinesKept = 20;
    private const int LineCharsKept = 500;

    private readonly Queue<string> _lines = new();
    private bool _isQuote;

    /// <summary>The lines said last.</summary>
    internal IReadOnlyCollection<string> Lines => _lines;

    /// <summary>How many of all lines told of an error.</summary>
    internal int Errors { get; private set; }

    /// <summary>On one line, as the end of a sentence; or what to say when nothing was said.</summary>
    internal string Text(int exitCode)
    {
        var text = _lines.Count > 0 ? string.Join(' ', _lines) : $"it ended with code {exitCode} and said nothing";
        return text.EndsWith('.') ? text : text + ".";
    }

    /// <summary>Reads to the end.</summary>
    internal async Task ReadAsync(TextReader from)
    {
        while (await from.ReadLineAsync(CancellationToken.None) is { } line)
            Take(line);
    }

    internal void Take(string line)
    {
        // Statements are quoted behind "Command was:" up to the next message, and in the server's "LINE 1: …" with a caret below.
        if (Message().IsMatch(line))
            _isQuote = false;
        else if (line.StartsWith("Command was:", StringComparison.Ordinal) || line.StartsWith("LINE ", StringComparison.Ordinal))
            _isQuote = true;
        if (_isQuote || line.Length == 0)
            return;
        if (Error().IsMatch(line))
            Errors++;
        if (_lines.Count == LinesKept)
            _lines.Dequeue();
        _lines.Enqueue(line.Length <= LineCharsKept ? line : line[..LineCharsKept] + "…");
    }

    /// <summary>The program's own, or the server's further words. Their names are in English: the programs run with the locale C.</summary>
    [GeneratedRegex(@"^(pg_restore|psql|pg_dump|pg_dumpall):|^(DETAIL|HINT|CONTEXT):")]
    private static partial Regex Message();

    /// <summary>psql passes on what the server says, which may be in any language; <see cref="DumpRestore"/> has it say errors only.</summary>
    [GeneratedRegex(@"^(pg_restore|psql): error:|^psql:<stdin>:\d+: ")]
    private static partial Regex Error();
}
