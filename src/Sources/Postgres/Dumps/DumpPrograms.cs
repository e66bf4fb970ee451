using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Backup.Sources.Postgres.Proving;
using Npgsql;

namespace Backup.Sources.Postgres.Dumps;

/// <summary>PostgreSQL's programs for dumps, of a fitting version, and how they are told where to connect: by their environment, never by arguments, which every user of the machine can see.</summary>
internal sealed partial class DumpPrograms
{
    /// <summary>Newer programs know what older ones did; so far ahead is looked for one.</summary>
    private const int VersionsAhead = 5;

    private const string PasswordVariable = "PGPASSWORD";
    private const string PasswordFileVariable = "PGPASSFILE";

    private readonly Dictionary<string, string> _environment = [];

    private DumpPrograms(string folder, string version, NpgsqlConnectionStringBuilder server)
    {
        (Folder, Version) = (folder, version);
        Set("PGHOST", server.Host);
        Set("PGPORT", server.Port.ToString(CultureInfo.InvariantCulture));
        Set("PGUSER", server.Username);
        // Not by a file of ours, which a killed process would leave behind. Without a password in the connection string they look where Npgsql does.
        Set(PasswordVariable, server.Password ?? Environment.GetEnvironmentVariable(PasswordVariable));
        Set(PasswordFileVariable, server.Passfile ?? Environment.GetEnvironmentVariable(PasswordFileVariable));
        Set("PGSSLMODE", server.SslMode switch
        {
            SslMode.VerifyCA => "verify-ca",
            SslMode.VerifyFull => "verify-full",
            var mode => mode.ToString().ToLowerInvariant(),
        });
        Set("PGSSLROOTCERT", server.RootCertificate);
        Set("PGSSLCERT", server.SslCertificate);
        Set("PGSSLKEY", server.SslKey);
        Set("PGAPPNAME", server.ApplicationName);
    }

    internal string Folder { get; }

    /// <summary>As the program says it, for example 18.1.</summary>
    internal string Version { get; }

    internal int MajorVersion => MajorOf(Version);

    /// <summary>Finds programs that can dump a server.</summary>
    /// <exception cref="SourcesException">ServerUnsuitable: there are none, or they are older than the server.</exception>
    internal static Task<DumpPrograms> ForDumpAsync(int serverVersion, string? configured, NpgsqlConnectionStringBuilder server, CancellationToken cancel) =>
        FindAsync("pg_dump", serverVersion, $"the server is PostgreSQL {serverVersion}: an older program cannot dump a newer server", configured, server, cancel);

    /// <summary>Finds programs that can read a dump.</summary>
    /// <exception cref="SourcesException">ServerUnsuitable: there are none, or they are older than the dump.</exception>
    internal static Task<DumpPrograms> ForRestoreAsync(string dumpedBy, string? configured, NpgsqlConnectionStringBuilder server, CancellationToken cancel) =>
        FindAsync("pg_restore", MajorOf(dumpedBy), $"the dump was made by pg_dump {dumpedBy}: an older program cannot read it", configured, server, cancel);

    /// <summary>A database as a connection string of libpq: a name with an equals sign would be taken for one.</summary>
    internal static string ConnectionTo(string database) =>
        $"dbname='{database.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)}'";

    private static async Task<DumpPrograms> FindAsync(string program, int versionMin, string whyNewer, string? configured, NpgsqlConnectionStringBuilder server, CancellationToken cancel)
    {
        var folder = Locate(program, versionMin, configured);
        var version = await ReadVersionAsync(Path.Combine(folder, program), cancel);
        return MajorOf(version) >= versionMin
            ? new DumpPrograms(folder, version, server)
            : throw new SourcesException(
                SourcesFault.ServerUnsuitable, $"{folder}/{program} is of version {version}, and {whyNewer}.", $"Install the client programs of PostgreSQL {versionMin} or newer here.");
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

    private static string Locate(string program, int versionMin, string? configured)
    {
        if (configured is not null)
            return ServerPrograms.Find(versionMin, program, configured);
        for (var version = versionMin; version < versionMin + VersionsAhead; version++)
        {
            if (ServerPrograms.TryFind(version, program) is { } folder)
                return folder;
        }

        return ServerPrograms.Find(versionMin, program, null);
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

    /// <summary>Zero for what is no version.</summary>
    private static int MajorOf(string version) => Major().Match(version) is { Success: true } major ? int.Parse(major.ValueSpan, CultureInfo.InvariantCulture) : 0;

    [GeneratedRegex(@"^\d{1,4}")]
    private static partial Regex Major();
}
