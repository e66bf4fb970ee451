using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace Backup.Benchmarks.Postgres;

/// <summary>PostgreSQL's programs of Debian, or of the folder that the variable PGBIN names: npm's servers come without clients.</summary>
internal static class DebianPrograms
{
    private const string FolderDefault = "/usr/lib/postgresql/15/bin";

    internal static string Folder => Environment.GetEnvironmentVariable("PGBIN") is { Length: > 0 } named ? named : FolderDefault;

    /// <summary>Starts a client on a database; its output is piped here.</summary>
    internal static Process Start(string program, string database, params string[] arguments)
    {
        var at = new NpgsqlConnectionStringBuilder(database);
        var start = new ProcessStartInfo(Path.Combine(Folder, program), ["-h", at.Host!, "-p", at.Port.ToString(CultureInfo.InvariantCulture), "-U", at.Username!, .. arguments, at.Database!])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PGPASSWORD"] = at.Password;
        return Process.Start(start)!;
    }
}
