using System.Globalization;

namespace Backup.Sources.Postgres.Proving;

/// <summary>Where a machine has PostgreSQL's programs.</summary>
public static class ServerPrograms
{
    /// <summary>The folders of Debian's and of PostgreSQL's own packages.</summary>
    private static readonly string[] Usual = ["/usr/lib/postgresql/{0}/bin", "/usr/pgsql-{0}/bin"];

    /// <summary>The folder with a program of that major version.</summary>
    /// <param name="majorVersion">For example 18.</param>
    /// <param name="program">For example <c>postgres</c>.</param>
    /// <param name="configured">A folder to take instead of the usual ones, or null.</param>
    /// <exception cref="SourcesException">ServerUnsuitable: it is not there; the hint says where it was looked for.</exception>
    public static string Find(int majorVersion, string program, string? configured)
    {
        string[] places = configured is null ? UsualOf(majorVersion) : [configured];
        return places.FirstOrDefault(place => File.Exists(Path.Combine(place, program))) ?? throw new SourcesException(
            SourcesFault.ServerUnsuitable,
            $"This machine has no program {program} of PostgreSQL {majorVersion} (looked in {string.Join(", ", places)}).",
            $"Install PostgreSQL {majorVersion} here, or name the folder that holds its programs.");
    }

    /// <summary>The usual folder that has a program of that version; null when none has.</summary>
    internal static string? TryFind(int majorVersion, string program) => UsualOf(majorVersion).FirstOrDefault(place => File.Exists(Path.Combine(place, program)));

    private static string[] UsualOf(int majorVersion) =>
        [.. Usual.Select(place => place.Replace("{0}", majorVersion.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal))];
}
