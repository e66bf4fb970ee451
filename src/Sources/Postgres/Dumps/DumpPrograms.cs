using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Backup.Sources.Postgres.Proving;
using Npgsql;

namespace Backup.Sources.Postgres.Dumps;

/// <summary>pg_dump and pg_dumpall of a fitting version, and how they are told where to connect: by environment and a private password file, never by arguments.</summary>
internal sealed partial class DumpPrograms : IDisposable
{
    /// <summary>Newer programs can dump older servers; so far ahead is looked for one.</summary>
    private const int VersionsAhead = 5;

    private readonly Dictionary<string, string> _environment = [];
    private readonly string _passwordFile;

    private DumpPrograms(string folder, string version, NpgsqlConnectionStringBuilder server)
    {
        (Folder, Version) = (folder, version);
        _passwordFile = Path.GetTempFileName();
        File.SetUnixFileMode(_passwordFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        // Whatever host, port, database and role it is asked for, this is the password.
        File.WriteAllText(_passwordFile, $"*:*:*:*:{server.Password?.Replace("\\", "\\\\", StringComparison.Ordinal).Replace(":", "\\:", StringComparison.Ordinal)}\n");
        Set("PGHOST", server.Host);
        Set("PGPORT", server.Port.ToString(CultureInfo.InvariantCulture));
        Set("PGUSER", server.Username);
        Set("PGPASSFILE", _passwordFile);
        Set("PGSSLMODE", server.SslMode switch
        {
            SslMode.VerifyCA => "verify-ca",
            SslMode.VerifyFull => "verify-full",
            var mode => mode.ToString().ToLowerInvariant(),
        });
        Set("PGSSLROOTCERT", server.RootCertificate);
        Set("PGSSLCERT", server.SslCertificate);
        Set("PGSSLKEY", server.SslKey);
        Set("PGAPPNAME", "backup dump");
    }

    internal string Folder { get; }

    /// <summary>As the program says it, for example 18.1.</summary>
    internal string Version { get; }

    /// <summary>Finds programs that can dump a server.</summary>
    /// <exception cref="SourcesException">ServerUnsuitable: there are none, or they are older than the server.</exception>
    internal static async Task<DumpPrograms> FindAsync(int serverVersion, string? configured, NpgsqlConnectionStringBuilder server, CancellationToken cancel)
    {
        var folder = Locate(serverVersion, configured);
        var version = await ReadVersionAsync(Path.Combine(folder, "pg_dump"), cancel);
        return Major().Match(version) is { Success: true } major && int.Parse(major.ValueSpan, CultureInfo.InvariantCulture) >= serverVersion
            ? new DumpPrograms(folder, version, server)
            : throw new SourcesException(
                SourcesFault.ServerUnsuitable, $"{folder}/pg_dump is of version {version}, and the server is PostgreSQL {serverVersion}: an older program cannot dump a newer server.",
                $"Install the client programs of PostgreSQL {serverVersion} or newer here.");
    }

    /// <summary>Starts a program with its output to be read.</summary>
    internal ProcessStartInfo Command(string program, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(Folder, program), arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("PG", StringComparison.Ordinal)).ToList())
            start.Environment.Remove(name);
        foreach (var (name, value) in _environment)
            start.Environment[name] = value;
        start.Environment["LC_ALL"] = "C";
        return start;
    }

    public void Dispose() => File.Delete(_passwordFile);

    private static string Locate(int serverVersion, string? configured)
    {
        if (configured is not null)
            return ServerPrograms.Find(serverVersion, "pg_dump", configured);
        for (var version = serverVersion; version < serverVersion + VersionsAhead; version++)
        {
            if (ServerPrograms.TryFind(version, "pg_dump") is { } folder)
                return folder;
        }

        return ServerPrograms.Find(serverVersion, "pg_dump", null);
    }

    private static async Task<string> ReadVersionAsync(string program, CancellationToken cancel)
    {
        using var process = Process.Start(new ProcessStartInfo(program, ["--version"]) { RedirectStandardOutput = true })!;
        var said = await process.StandardOutput.ReadToEndAsync(cancel);
        await process.WaitForExitAsync(cancel);
        return said.Trim().Split(' ').FirstOrDefault(word => word.Length > 0 && char.IsAsciiDigit(word[0])) ?? said.Trim();
    }

    private void Set(string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
            _environment[name] = value;
    }

    [GeneratedRegex(@"^\d+")]
    private static partial Regex Major();
}
