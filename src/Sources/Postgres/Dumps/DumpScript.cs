using System.Text;

namespace Backup.Sources.Postgres.Dumps;

/// <summary>Reads SQL as pg_dump and pg_dumpall write it: one character is one byte, since a script says itself which encoding it is in.</summary>
internal static class DumpScript
{
    /// <summary>In all encodings that a server can have ASCII characters are what they seem; the others pass through as they are.</summary>
    internal static Encoding Bytes => Encoding.Latin1;

    /// <summary>Statements, each with its semicolon, and psql's own lines (<c>\restrict</c>). Comments between them are left out: names in them may hold quotes.</summary>
    /// <remarks>Not for bodies of functions.</remarks>
    internal static IEnumerable<string> Split(string script)
    {
        var at = 0;
        while (at < script.Length)
        {
            if (char.IsWhiteSpace(script[at]))
            {
                at++;
                continue;
            }

            var end = script[at] is '\\' or '-' ? EndOfLine(script, at) : EndOfStatement(script, at);
            if (script[at] != '-')
                yield return script[at..end];
            at = end;
        }
    }

    /// <summary>The identifier behind some words, without its quotes, and what follows it; null when the statement begins with others.</summary>
    internal static (string Name, string Behind)? NameAfter(string statement, string words)
    {
        if (!statement.StartsWith(words, StringComparison.Ordinal))
            return null;
        var rest = statement[words.Length..];
        if (!rest.StartsWith('"'))
        {
            var bare = rest.AsSpan().IndexOfAny(' ', ';') is >= 0 and var found ? found : rest.Length;
            return (rest[..bare], rest[bare..]);
        }

        var end = 1;
        while (end < rest.Length && (rest[end] != '"' || (end + 1 < rest.Length && rest[end + 1] == '"')))
            end += rest[end] == '"' ? 2 : 1;
        return (rest[1..end].Replace("\"\"", "\"", StringComparison.Ordinal), rest[Math.Min(end + 1, rest.Length)..]);
    }

    /// <summary>Picks from global objects the statements that make what a server lacks.</summary>
    /// <remarks>A role that is there keeps its attributes and password: the dump's are older, and may be those of the very role that restores.</remarks>
    /// <param name="script">What pg_dumpall wrote.</param>
    /// <param name="roles">The server's roles.</param>
    /// <param name="tablespaces">The server's tablespaces; null to leave tablespaces out altogether.</param>
    /// <returns>The script without what is there already, and the names of that.</returns>
    internal static (byte[] Script, IReadOnlyList<string> Kept) Missing(ReadOnlySpan<byte> script, IEnumerable<string> roles, IEnumerable<string>? tablespaces)
    {
        var (knownRoles, knownTablespaces) = (Known(roles), Known(tablespaces ?? []));
        var wanted = new StringBuilder();
        var kept = new List<string>();
        foreach (var statement in Split(Bytes.GetString(script)))
        {
            if (tablespaces is null && IsOfTablespaces(statement))
                continue;
            if (NameAfter(statement, "CREATE ROLE ")?.Name is { } role && knownRoles.Contains(role))
                kept.Add(role);
            else if (NameAfter(statement, "CREATE TABLESPACE ")?.Name is { } tablespace && knownTablespaces.Contains(tablespace))
                kept.Add(tablespace);
            else if (!(NameAfter(statement, "ALTER ROLE ")?.Name is { } altered && knownRoles.Contains(altered))
                && !(NameAfter(statement, "ALTER TABLESPACE ")?.Name is { } moved && knownTablespaces.Contains(moved)))
            {
                wanted.Append(statement).Append('\n');
            }
        }

        return (Bytes.GetBytes(wanted.ToString()), [.. kept.Select(name => Encoding.UTF8.GetString(Bytes.GetBytes(name)))]);
    }

    /// <summary>How pg_restore --create makes a database, from the beginning of what it writes; null when that does not say so.</summary>
    /// <returns>What follows CREATE DATABASE and the name; and whose it is to be.</returns>
    internal static (string Options, string? Owner)? FindDatabase(string head)
    {
        (string? options, string? owner) = (null, null);
        foreach (var statement in Split(head))
        {
            if (NameAfter(statement, "CREATE DATABASE ") is { } made)
                options = made.Behind.TrimEnd(';');
            else if (NameAfter(statement, "ALTER DATABASE ") is { } altered && NameAfter(altered.Behind, " OWNER TO ") is { } owned)
                owner = (head.Contains("client_encoding = 'UTF8'", StringComparison.Ordinal) ? Encoding.UTF8 : Bytes).GetString(Bytes.GetBytes(owned.Name));
        }

        return options is null ? null : (options, owner);
    }

    private static HashSet<string> Known(IEnumerable<string> names) => [.. names.Select(name => Bytes.GetString(Encoding.UTF8.GetBytes(name)))];

    private static bool IsOfTablespaces(string statement) =>
        ((string[])["CREATE TABLESPACE ", "ALTER TABLESPACE ", "COMMENT ON TABLESPACE "]).Any(words => statement.StartsWith(words, StringComparison.Ordinal))
        || (((string[])["GRANT ", "REVOKE "]).Any(words => statement.StartsWith(words, StringComparison.Ordinal)) && statement.Contains(" ON TABLESPACE ", StringComparison.Ordinal));

    private static int EndOfLine(string script, int from) => script.IndexOf('\n', from) is >= 0 and var end ? end : script.Length;

    /// <summary>These scripts turn standard_conforming_strings on, so that a quote ends at the next one of its kind, and a doubled one begins it again.</summary>
    private static int EndOfStatement(string script, int from)
    {
        var quote = '\0';
        for (var at = from; at < script.Length; at++)
        {
            var character = script[at];
            if (quote != '\0')
                quote = character == quote ? '\0' : quote;
            else if (character is '\'' or '"')
                quote = character;
            else if (character == ';')
                return at + 1;
        }

        return script.Length;
    }
}
